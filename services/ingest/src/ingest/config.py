"""What ingest is configured by: `LULL_...` variables, see docs/configuration.md."""

from datetime import timedelta

from common.config import KafkaConfig, SecretList, ServiceConfig
from pydantic import Field


class IngestConfig(ServiceConfig, KafkaConfig):
    ingest_host: str = Field(
        "127.0.0.1", description="Address that takes Intercom's webhooks and our apps' actions."
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
        "the webhooks. Keep the old one listed while it is rotated.",
    )
    ingest_action_tokens: SecretList = Field(
        default_factory=list,
        description="Tokens that may call `POST /v1/actions`, comma-separated. None: nobody may.",
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

    @property
    def read_timeout(self) -> timedelta:
        return timedelta(seconds=self.ingest_read_timeout_s)

    @property
    def publish_timeout(self) -> timedelta:
        return timedelta(seconds=self.ingest_publish_timeout_s)

    def webhook_secrets(self) -> tuple[bytes, ...]:
        return tuple(s.get_secret_value().encode() for s in self.intercom_client_secrets)

    def action_tokens(self) -> tuple[bytes, ...]:
        return tuple(token.get_secret_value().encode() for token in self.ingest_action_tokens)
