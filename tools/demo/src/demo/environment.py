"""The variables that make the four services and the simulators one product on this machine."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from devstack.ports import free_port
from simulators.crms import variables


@dataclass(frozen=True, slots=True)
class Ports:
    ingest: int
    ingest_health: int
    debounce: int
    debounce_health: int
    delivery: int
    delivery_health: int
    settings: int
    settings_internal: int
    settings_health: int
    simulators: int

    @classmethod
    def usual(cls) -> "Ports":
        """Those that the documentation names."""
        return cls(8080, 9080, 8081, 9081, 8082, 9082, 8083, 8183, 9083, 8090)

    @classmethod
    def free(cls) -> "Ports":
        return cls(*(free_port() for _ in range(10)))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Credentials between the parts, made up for one data folder."""

    operator: str
    delivery: str
    action: str
    token_key: str

    @classmethod
    def kept_in(cls, folder: Path) -> "Tokens":
        """Those of an earlier start on the same data: what it encrypted must stay readable."""
        file = folder / "tokens.json"
        if file.exists():
            return cls(**json.loads(file.read_text()))
        made = cls(
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            secrets.token_urlsafe(24),
            base64.b64encode(secrets.token_bytes(32)).decode(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(made)))
        return made


def local(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def services(
    ports: Ports,
    tokens: Tokens,
    *,
    kafka: str,
    settings_database: str,
    delivery_database: str,
    quiet_period_s: float,
) -> dict[str, str]:
    """What all four services are given; each reads its own part of it."""
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_PARTITIONS": 4,
        "KAFKA_REPLICATION_FACTOR": 1,
        "QUIET_PERIOD_S": quiet_period_s,
        "SETTINGS_DATABASE_URL": settings_database,
        "DELIVERY_DATABASE_URL": delivery_database,
        "INGEST_PORT": ports.ingest,
        "INGEST_HEALTH_PORT": ports.ingest_health,
        "DEBOUNCE_PORT": ports.debounce,
        "DEBOUNCE_HEALTH_PORT": ports.debounce_health,
        "DELIVERY_PORT": ports.delivery,
        "DELIVERY_HEALTH_PORT": ports.delivery_health,
        "DELIVERY_INSTANCE_ID": "delivery-0",  # a killed one takes its partitions back at once
        "SETTINGS_PORT": ports.settings,
        "SETTINGS_INTERNAL_PORT": ports.settings_internal,
        "SETTINGS_HEALTH_PORT": ports.settings_health,
        "SETTINGS_PUBLIC_URL": local(ports.settings),
        "SETTINGS_OPERATOR_TOKEN": tokens.operator,
        "SETTINGS_CALLER_TOKENS": f"delivery:{tokens.delivery}",
        "SETTINGS_TOKEN_KEYS": f"k1:{tokens.token_key}",
        "DELIVERY_SETTINGS_URL": local(ports.settings_internal),
        "DELIVERY_SETTINGS_TOKEN": tokens.delivery,
        "INGEST_ACTION_TOKENS": f"hubspot:{tokens.action}",
        "INGEST_DEBOUNCE_URLS": local(ports.debounce),
        "INGEST_DELIVERY_URL": local(ports.delivery),
        "DELIVERY_ACTIONS_TOKEN": tokens.delivery,
        "SETTINGS_DEBOUNCE_URLS": local(ports.debounce),
        "SETTINGS_DELIVERY_URL": local(ports.delivery),
        "SETTINGS_DELIVERY_TOKEN": tokens.delivery,
        "DELIVERY_PREVIEW_TOKEN": tokens.delivery,
    }
    return {f"LULL_{name}": str(value) for name, value in values.items()}


def simulated_vendors(simulators: str) -> dict[str, str]:
    """The vendors' addresses and our client credentials there, all at the simulators.

    The simulators answer at once and list at once what was written, so delivery need not wait as
    long for either as real vendors demand; what a killed delivery held is free again sooner.
    """
    patience = {
        "DELIVERY_CALL_DEADLINE_S": "5",
        "DELIVERY_LEASE_S": "12",
        "DELIVERY_VISIBLE_AFTER_S": "1",
        "DELIVERY_HEAL_AFTER_S": "6",
        "DELIVERY_BACKOFF_FIRST_S": "0.5",
    }
    return {f"LULL_{name}": value for name, value in patience.items()} | variables(simulators)


def from_file(path: Path) -> dict[str, str]:
    """Variables of an env file such as `.env.example`: one `NAME=value` a line, `#` comments."""
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
