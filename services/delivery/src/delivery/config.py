"""Every environment variable of delivery."""

from datetime import timedelta
from typing import Literal, Self

from common.catalog import CRMS
from common.config import (
    ActionsConfig,
    ActivityConfig,
    CommaSeparated,
    KafkaConfig,
    QuietPeriodConfig,
    RotatedSecret,
    SecondsList,
    ServiceConfig,
)
from pydantic import Field, SecretStr, field_validator, model_validator


class MigrationConfig(ServiceConfig):
    """All that `python -m delivery migrate` needs, so that it is given nothing more."""

    delivery_database_url: SecretStr = Field(
        ...,
        description="The ledger's PostgreSQL: a `postgresql://` address with role and password.",
    )


class DeliveryConfig(
    MigrationConfig, KafkaConfig, QuietPeriodConfig, ActivityConfig, ActionsConfig
):
    delivery_host: str = Field(
        "127.0.0.1", description="Address of delivery's internal API; keep it internal."
    )
    delivery_port: int = Field(
        8082, ge=0, le=65_535, description="Port of delivery's internal API; 0: any free one."
    )
    delivery_health_port: int = Field(
        9082, ge=0, le=65_535, description="Port of delivery's health and metrics; 0: any free one."
    )
    delivery_database_connections: int = Field(
        20, ge=4, le=200, description="Connections to PostgreSQL at most, per process."
    )
    delivery_crms: CommaSeparated = Field(
        list(CRMS),
        description="CRMs that this process serves, comma-separated; each has its consumer group.",
    )
    delivery_instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Fixed name of this replica (its pod): a restart then moves no partition.",
    )
    delivery_settings_url: str = Field(
        "http://127.0.0.1:8183", description="settings' internal listener."
    )
    delivery_settings_token: SecretStr = Field(
        ..., description="delivery's credential at settings' internal listener."
    )
    delivery_preview_token: RotatedSecret | None = Field(
        None,
        description="settings' credential for what an admin asks in the console: showing what "
        "would be written, trying again, forgetting. Without it none of that is done. Several, "
        "comma-separated, while it is rotated.",
    )
    delivery_operator_token: RotatedSecret | None = Field(
        None,
        description="Credential of those who may replay deliveries; nobody may if unset. Several, "
        "comma-separated, while it is rotated.",
    )
    delivery_concurrency: int = Field(
        256, ge=1, le=1_000, description="Attempts at once, per CRM and process."
    )
    delivery_workspace_share: int = Field(
        4,
        ge=1,
        le=1_000,
        description="Attempts at once for one workspace to begin with, per CRM and process; it "
        "grows while its CRM answers, up to half of what is free, and shrinks under trouble.",
    )
    delivery_lease_s: float = Field(
        120.0, gt=0, description="Seconds that a claimed row is its worker's; bounds an attempt."
    )
    delivery_call_deadline_s: float = Field(
        20.0, gt=0, description="Seconds that one call to Intercom or a CRM may take in all."
    )
    delivery_backoff_first_s: float = Field(
        5.0, gt=0, description="Longest wait after a first failure; doubles with each further one."
    )
    delivery_retry_for_s: float = Field(
        259_200.0,
        gt=0,
        description="Seconds until a delivery that keeps failing is given up.",
    )
    delivery_heal_after_s: float = Field(
        600.0, gt=0, description="Seconds after an unknown end until surplus notes are looked for."
    )
    delivery_visible_after_s: float | None = Field(
        None,
        ge=0,
        description="Seconds until a CRM surely lists a new note; each CRM's own if unset.",
    )
    delivery_look_again_s: SecondsList = Field(
        [5.0, 15.0, 35.0],
        description="Pauses in seconds before each further look for an announced reply that "
        "Intercom does not show yet, comma-separated.",
    )
    delivery_actions_days: int = Field(
        90,
        ge=7,
        description="Days for which an action of the inbox app is known after its last press; a "
        "button that is pressed after that acts anew.",
    )
    delivery_several_persons: Literal["none", "lowest_id"] = Field(
        "none", description="Whom to take where several persons match: nobody, or the oldest id."
    )

    @field_validator("delivery_crms")
    @classmethod
    def _are_known(cls, crms: list[str]) -> list[str]:
        if not crms or not set(crms) <= set(CRMS):
            raise ValueError(f"one or more of {', '.join(CRMS)}")
        return sorted(set(crms))

    @model_validator(mode="after")
    def _lease_outlives_calls(self) -> Self:
        if self.delivery_lease_s < 2 * self.delivery_call_deadline_s:
            raise ValueError("delivery_lease_s must be at least twice delivery_call_deadline_s")
        return self

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.delivery_lease_s)

    @property
    def call_deadline(self) -> timedelta:
        return timedelta(seconds=self.delivery_call_deadline_s)
