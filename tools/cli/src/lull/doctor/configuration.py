"""Each service's variables as it would read them, and which vendors we hold a client of."""

import importlib
from collections.abc import Iterator

from common.catalog import apps_of
from common.config import ServiceConfig
from delivery.config import DeliveryConfig
from settings.adapters.vendors import OFFERS
from settings.config import SettingsConfig

from lull.doctor.findings import Finding, State

ELSEWHERE = {"ingest": "IngestConfig", "debounce": "DebounceConfig"}


def configuration() -> Iterator[Finding]:
    """One finding per service; no value is ever shown."""
    for service, config in _classes():
        if config is None:
            mend = f"run the doctor where {service} is installed too, to have its variables checked"
            yield Finding(f"{service}: not installed here", State.UNKNOWN, mend)
            continue
        parts = [offer.variables for offer in OFFERS] if service == "settings" else []
        try:
            config.load_with(parts)
        except SystemExit as faults:
            first, *rest = str(faults).splitlines()
            yield Finding(f"{service}: {first}", State.MEND, "; ".join(map(str.strip, rest)))
        else:
            yield Finding(f"{service}: its variables are complete", State.GOOD)


def _classes() -> Iterator[tuple[str, type[ServiceConfig] | None]]:
    for service, name in ELSEWHERE.items():
        try:
            found = getattr(importlib.import_module(f"{service}.config"), name)
        except ImportError:
            found = None
        yield service, found
    yield "delivery", DeliveryConfig
    yield "settings", SettingsConfig


def vendors() -> Iterator[Finding]:
    """Which CRMs can be connected, and the address that their consoles have to know."""
    try:
        config, variables = SettingsConfig.load_with([offer.variables for offer in OFFERS])
    except SystemExit:
        yield Finding("vendors: not known before settings' variables are mended", State.UNKNOWN)
        return
    if not config.settings_public_url.startswith("https://"):
        mend = (
            "vendors take https alone: set LULL_SETTINGS_PUBLIC_URL before you connect a real one"
        )
        yield Finding(f"redirect addresses begin with {_callback(config, '')}", State.UNKNOWN, mend)
    yield Finding(f"Intercom: redirect address {_callback(config, 'intercom')}", State.GOOD)
    for offer, given in zip(OFFERS, variables, strict=True):
        names = " and ".join(app.name for app in apps_of(offer.name))
        if given.credentials() is None:
            prefix = f"LULL_{offer.name.upper()}"
            mend = f"set {prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET to offer it"
            yield Finding(f"{names}: no client of ours, so not offered", State.UNKNOWN, mend)
        else:
            yield Finding(f"{names}: redirect address {_callback(config, offer.name)}", State.GOOD)


def _callback(config: SettingsConfig, vendor: str) -> str:
    return f"{config.settings_public_url}/oauth/callback/{vendor}"
