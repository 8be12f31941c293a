"""One secure product for a file's tests; what it is made of: harness/securing."""

import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo.environment import local
from simulators.client import SimulatorControl

if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)

from securing.authority import Authority
from securing.product import SecureProduct
from securing.rig import Rig


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    product = SecureProduct(tmp_path_factory.mktemp("tls") / "product")
    try:
        product.start()
        with SimulatorControl(local(product.ports.simulators)) as control:
            rig = Rig(product, control)
            rig.install()
            yield rig
    finally:
        product.stop()
        product.terminator.stop()


@pytest.fixture(scope="session")
def new_authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Authority]:
    return lambda name: Authority(tmp_path_factory.mktemp(name) / "certificates")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    authority = Authority(tmp_path_factory.mktemp("stranger") / "certificates")
    ssl.create_default_context(cafile=str(authority.ca))  # a sound one all the same
    return authority
