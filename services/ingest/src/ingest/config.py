"""What ingest is configured by: `LULL_...` variables, see docs/configuration.md."""

from datetime import timedelta

from common.catalog import APPS
from common.config import (
    ActionsConfig,
    CommaSeparated,
    KafkaConfig,
    SecretList,
    ServiceConfig,
)
from pydantic import Field, SecretStr, field_validator

_MIN_TOKEN_CHARS = 16


class IngestConfig(ServiceConfig, KafkaConfig, ActionsConfig):
    ingest_host: str = Field(
        "127.0.0.1",
        description="Address that takes Intercom's webhooks, its inbox's cards and other "
        "front ends' actions.",
    )
    ingest_port: int = Field(
        8080, ge=0, le=65_535, description="Port of webhooks and actions; 0: any free one."
    )
    ingest_health_port: int = Field(
        9080, ge=0, le=65_535, description="Port of health and metrics; 0: any free one."
    )
    intercom_client_secrets: SecretList = Field(
        ...,
        min_length=1,
        description="Client secrets of the Intercom app, comma-separated, newest first: they sign "
        "the webhooks and the inbox's requests. Keep the old one listed while it is rotated.",
    )
    ingest_action_tokens: SecretList = Field(
        default_factory=list,
        description="Tokens of the front ends that may call `POST /v1/actions`, comma-separated, "
        "each for one app: `hubspot:<token>`. An app may have several. None: nobody may.",
    )
    ingest_body_max_bytes: int = Field(
        1_048_576, ge=1_024, le=16_777_216, description="Longest body that is read; longer: 413."
    )
    ingest_read_timeout_s: float = Field(
        5.0, gt=0, le=60, description="Seconds a caller has to send its whole body; later: 408."
    )
    ingest_publish_timeout_s: float = Field(
        1.5,
        gt=0,
        le=4,
        description="Seconds Kafka has to take a record; later: 503, and the caller tries again.",
    )

    ingest_delivery_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="delivery's internal API, which carries out the inbox app's actions. `{crm}` "
        "in it stands for the CRM's name, where each has a delivery of its own. Without it and "
        "LULL_DELIVERY_ACTIONS_TOKEN the inbox app is switched off.",
    )
    ingest_debounce_urls: CommaSeparated = Field(
        ["http://127.0.0.1:8081"],
        min_length=1,
        description="debounce's internal API, each replica's; the inbox app's card shows what is "
        "pending there.",
    )

    @property
    def read_timeout(self) -> timedelta:
        return timedelta(seconds=self.ingest_read_timeout_s)

    @property
    def publish_timeout(self) -> timedelta:
        return timedelta(seconds=self.ingest_publish_timeout_s)

    def webhook_secrets(self) -> tuple[bytes, ...]:
        return tuple(s.get_secret_value().encode() for s in self.intercom_client_secrets)

    @field_validator("ingest_action_tokens")
    @classmethod
    def _each_names_its_app(cls, tokens: list[SecretStr]) -> list[SecretStr]:
        seen: set[str] = set()
        for one in tokens:
            app, colon, token = one.get_secret_value().partition(":")
            if app not in APPS or not colon or len(token) < _MIN_TOKEN_CHARS:
                raise ValueError(
                    f"each is `app:token`, the token of {_MIN_TOKEN_CHARS} characters or more; "
                    f"the apps are {', '.join(APPS)}"
                )
            if token in seen:
                raise ValueError("one token is given twice; each app needs its own")
            seen.add(token)
        return tokens

    def action_tokens(self) -> dict[bytes, str]:
        """Token -> the app that it is for."""
        pairs = (one.get_secret_value().partition(":") for one in self.ingest_action_tokens)
        return {token.encode(): app for app, _, token in pairs}
