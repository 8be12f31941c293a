"""What every service is configured by: one flat namespace of `LULL_...` variables.

A service's class inherits the parts it needs, so that one error at the start lists every fault.
Secrets may also come from files: a folder with one file per variable, named by LULL_SECRETS_DIR.
"""

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveFloat,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "LULL_"
_SECRET_MIN_CHARS = 16


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split)]
SecondsList = Annotated[list[PositiveFloat], NoDecode, BeforeValidator(_split)]
SecretList = Annotated[list[SecretStr], NoDecode, BeforeValidator(_split)]


def accepted(secret: SecretStr) -> tuple[str, ...]:
    """Each value of a secret that may be rotated: whoever brings one of them is let in."""
    return tuple(part.strip() for part in secret.get_secret_value().split(",") if part.strip())


def sent(secret: SecretStr) -> str:
    """The value that its bearer sends: the first."""
    return accepted(secret)[0]


def _each_is_long(secret: SecretStr) -> SecretStr:
    values = accepted(secret)
    if not values or min(map(len, values)) < _SECRET_MIN_CHARS:
        raise ValueError(f"{_SECRET_MIN_CHARS} characters or more, each of them")
    return secret


# One value, or, while it is rotated, the new and the old one, comma-separated.
RotatedSecret = Annotated[SecretStr, AfterValidator(_each_is_long)]


class Variables(BaseSettings):
    """Base of every part: pydantic merges the settings of all bases, and the last one wins."""

    # An error must not print the other inputs: secrets stand among them.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True, frozen=True
    )


Part = TypeVar("Part", bound=Variables)


class ServiceConfig(Variables):
    """Base of every service's configuration: environment first, then files in LULL_SECRETS_DIR."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log lines that are written."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://",
        description="OTLP/HTTP collector that traces are sent to (`http://host:4318`); "
        "OTEL_EXPORTER_OTLP_ENDPOINT does it too. None: no traces.",
    )
    health_host: str = Field(
        "127.0.0.1", description="Address that health and metrics listen on; keep it internal."
    )

    @classmethod
    def load(cls) -> Self:
        """The configuration of this process.

        Raises:
            SystemExit: with one line per fault, none of which shows a value.

        """
        config, _ = cls.load_with([])
        return config

    @classmethod
    def load_with(cls, parts: Iterable[type[Part]]) -> tuple[Self, list[Part]]:
        """The same, with the variables of parts that are found when the process starts.

        Raises:
            SystemExit: with one line per fault in any of them.

        """
        faults: list[str] = []
        config = _read(cls, faults)
        read = [_read(part, faults) for part in parts]
        if config is None or faults:
            lines = "\n".join(faults)
            raise SystemExit(
                f"{cls.__name__}: {len(faults)} variable(s) to mend, "
                f"see docs/configuration.md\n{lines}"
            )
        return config, [part for part in read if part is not None]


def _read(part: type[Part], faults: list[str]) -> Part | None:
    secrets = os.environ.get(f"{PREFIX}SECRETS_DIR")
    try:
        return part(_secrets_dir=Path(secrets) if secrets else None)
    except ValidationError as error:
        faults += [
            f"  {PREFIX}{'_'.join(map(str, fault['loc'][:1])).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        ]
        return None


class KafkaConfig(Variables):
    kafka_bootstrap_servers: CommaSeparated = Field(
        ..., description="Brokers to start from, `host:port`, comma-separated."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers; SSL alone is mutual TLS."
    )
    kafka_ca_file: Path | None = Field(None, description="CA of the brokers' certificates.")
    kafka_cert_file: Path | None = Field(None, description="Client certificate, for mutual TLS.")
    kafka_key_file: Path | None = Field(None, description="Key of the client certificate.")
    kafka_username: str | None = Field(None, description="SASL user (SCRAM-SHA-512).")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    kafka_topic_prefix: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,80}$",
        description="Put before each topic and group.",
    )
    kafka_partitions: int = Field(
        12, ge=1, le=10_000, description="Partitions of each topic when it is created."
    )
    kafka_replication_factor: int = Field(
        3, ge=1, le=10, description="Copies of each partition when a topic is created."
    )


class ActivityConfig(Variables):
    """The Activity beside the note, where a CRM gets one (R5): Pipedrive's."""

    activity_type: str = Field(
        "task",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="Type of the activity: its key in the account's own list of activity types.",
    )
    activity_done: bool = Field(
        True, description="Whether an activity is made as done, so that it is on nobody's list."
    )
    activity_policy: Literal["update", "new"] = Field(
        "update",
        description="One activity per conversation, kept up to date, or a new one each time.",
    )


class ActionsConfig(Variables):
    """What people do in a CRM from our inbox app: the card is ingest's, the deed delivery's."""

    delivery_actions_token: RotatedSecret | None = Field(
        None,
        description="ingest's credential at delivery for the inbox app's cards and actions; "
        "without it the inbox app is switched off. Several, comma-separated, while it is rotated: "
        "ingest sends the first, delivery takes each.",
    )


class QuietPeriodConfig(Variables):
    quiet_period_s: float = Field(
        900.0,
        gt=0,
        description="Seconds without an update until a conversation is settled (R3).",
    )

    @property
    def quiet_period(self) -> timedelta:
        return timedelta(seconds=self.quiet_period_s)
