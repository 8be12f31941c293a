"""The whole product, two replicas of each service, whose secrets change while it is used."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from demo.environment import local
from simulators.client import SimulatorControl

if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)

from rotating.product import RotatingProduct
from rotating.receiver import Receiver
from rotating.rounds import Rotation

# So short that Keap's tokens are refreshed all the time, with our client's secret there.
TOKEN_LIFETIME_S = 20.0


@pytest.fixture(scope="module")
def rotation(size: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    if size == "quick":
        pytest.skip("rolls two replicas of three services three times: in the size faults")
    product = RotatingProduct(tmp_path_factory.mktemp("rotation"), quiet_period_s=1, replicas=2)
    receiver = Receiver()
    product.give(
        "settings",
        SETTINGS_WEBHOOK_URL=receiver.url,
        SETTINGS_WEBHOOK_SECRET=secrets.token_urlsafe(24),
        SETTINGS_NOTICES_EVERY_S="1",
    )
    product.give("delivery", DELIVERY_OPERATOR_TOKEN=product.tokens.operator)
    try:
        product.start()
        with SimulatorControl(local(product.ports.simulators)) as control:
            control.knobs(
                rate_limits=False, webhook_retry_s=1, token_lifetime_s={"keap": TOKEN_LIFETIME_S}
            )
            rotation = Rotation(product, control, receiver)
            try:
                rotation.talk.start()
                rotation.looks.start()
                yield rotation
            finally:
                rotation.looks.stop()
                rotation.talk.stop()
    finally:
        product.stop()
        receiver.stop()
