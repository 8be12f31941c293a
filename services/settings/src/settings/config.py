"""Every environment variable of the settings service: typed, described, with its default."""

import base64
import binascii
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Self

from common.config import (
    CommaSeparated,
    KafkaConfig,
    QuietPeriodConfig,
    RotatedSecret,
    SecretList,
    ServiceConfig,
)
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from settings.domain.sessions import Lifetimes, cookie_rule

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MIN_SECRET_CHARS = 16
_SMTP = re.compile(r"smtps?(\+starttls)?://\S+")


def _pairs(entries: list[SecretStr]) -> list[SecretStr]:
    for entry in entries:
        name, colon, token = entry.get_secret_value().partition(":")
        if not colon or not _NAME.fullmatch(name) or len(token) < _MIN_SECRET_CHARS:
            raise ValueError("each entry is `name:token`, the token of 16 characters or more")
    if not entries:
        raise ValueError("at least one entry")
    return entries


def _keys(entries: list[SecretStr]) -> list[SecretStr]:
    for entry in entries:
        name, _, encoded = entry.get_secret_value().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not _NAME.fullmatch(name) or len(key) != 32:  # AES-256
            raise ValueError("each entry is `id:key`, the key 32 bytes in base64")
    if not entries:
        raise ValueError("at least one entry")
    return entries


def _regions(entries: list[str]) -> list[str]:
    for entry in entries:
        region, _, url = entry.partition("=")
        if not region.isalpha() or not url.startswith(("http://", "https://")):
            raise ValueError("each entry is `region=https://host`")
    return entries


def _keeps_cookies(url: str) -> str:
    cookie_rule(url)
    return url


def _networks(entries: list[str]) -> list[str]:
    for entry in entries:
        try:
            ip_network(entry)
        except ValueError:
            raise ValueError("each entry is a network such as 10.0.0.0/8") from None
    return entries


NamedTokens = Annotated[SecretList, AfterValidator(_pairs)]
Keys = Annotated[SecretList, AfterValidator(_keys)]
Regions = Annotated[CommaSeparated, AfterValidator(_regions)]
Networks = Annotated[CommaSeparated, AfterValidator(_networks)]
PublicUrl = Annotated[str, AfterValidator(_keeps_cookies)]


class MigrationConfig(ServiceConfig):
    """All that `python -m settings migrate` needs, so that it is given nothing more."""

    settings_database_url: SecretStr = Field(
        ...,
        description="Settings' own PostgreSQL: a `postgresql://` address with role and password.",
    )


class SettingsConfig(MigrationConfig, KafkaConfig, QuietPeriodConfig):
    settings_host: str = Field("127.0.0.1", description="Address of the public listener.")
    settings_port: int = Field(
        8083, ge=0, le=65535, description="Port of the public listener; 0: any free one."
    )
    settings_internal_host: str = Field(
        "127.0.0.1", description="Address of the listener for other services; keep it internal."
    )
    settings_internal_port: int = Field(
        8183, ge=0, le=65535, description="Port of the internal listener; 0: any free one."
    )
    settings_health_port: int = Field(
        9083, ge=0, le=65535, description="Port of health and metrics; 0: any free one."
    )
    settings_database_connections: int = Field(
        20, ge=2, le=500, description="Most connections to PostgreSQL that one replica opens."
    )
    settings_token_keys: Keys = Field(
        ...,
        description="Keys that encrypt tokens at rest: `id:base64 of 32 bytes`, comma-separated, "
        "newest first; older ones only decrypt.",
    )
    settings_caller_tokens: NamedTokens = Field(
        ...,
        description="Credentials of the services that may call the internal listener: "
        "`name:token`, comma-separated.",
    )
    settings_operator_token: RotatedSecret = Field(
        ...,
        description="Credential of the operator API; several, comma-separated, while it is "
        "rotated.",
    )
    settings_public_url: PublicUrl = Field(
        "http://127.0.0.1:8083",
        pattern=r"^https?://[^\s/?#]+$",
        description="Where browsers reach the console; redirect addresses are below it. https, "
        "unless it is this machine's own loopback address.",
    )
    settings_session_idle_s: float = Field(
        7_200.0, gt=0, description="Seconds without a page after which a person is signed out."
    )
    settings_session_absolute_s: float = Field(
        43_200.0, gt=0, description="Seconds after a sign-in at which it ends in any case."
    )
    settings_debounce_urls: CommaSeparated = Field(
        ["http://127.0.0.1:8081"],
        min_length=1,
        description="debounce's internal API, each replica's; the console shows what waits there.",
    )
    settings_delivery_url: str = Field(
        "http://127.0.0.1:8082",
        description="delivery's internal API; the console shows what waits there. `{crm}` in it "
        "stands for the CRM's name, where each has a delivery of its own.",
    )
    settings_delivery_token: SecretStr | None = Field(
        None,
        min_length=_MIN_SECRET_CHARS,
        description="settings' credential at delivery (LULL_DELIVERY_PREVIEW_TOKEN there); "
        "without it the console shows no previews, and neither tries again nor forgets.",
    )
    settings_history_days: int = Field(
        90, ge=1, description="Days for which the console keeps what became of conversations."
    )
    settings_notices_every_s: float = Field(
        60.0, gt=0, description="Seconds between looks at what admins should be told."
    )
    settings_webhook_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Where notices to admins are posted to; none if unset.",
    )
    settings_webhook_secret: RotatedSecret | None = Field(
        None,
        description="Signs those posts, as Standard Webhooks has it; with several, "
        "comma-separated, each signs.",
    )
    settings_smtp_url: SecretStr | None = Field(
        None,
        description="Mail server for notices to admins: `smtp+starttls://user:password@host:587`, "
        "`smtps://...`, or `smtp://...` for a relay on this machine; no mail if unset. "
        "That Intercom must be connected again is told by webhook alone: it has the addresses.",
    )
    settings_mail_from: str = Field(
        "Lull <lull@localhost>", description="Sender of notices to admins."
    )
    settings_sign_ins_per_minute: int = Field(
        10, ge=1, description="Sign-ins that one address may begin in a minute, at each replica."
    )
    settings_trusted_proxies: Networks = Field(
        [],
        description="Networks of the proxies in front, comma-separated; only what they add to "
        "X-Forwarded-For is believed.",
    )
    settings_vendor_timeout_s: float = Field(
        10.0, gt=0, le=60, description="Seconds that one call to a vendor may take in all."
    )

    intercom_client_id: str = Field(..., description="Client id of our Intercom app.")
    intercom_client_secrets: SecretList = Field(
        ..., min_length=1, description="Client secrets of our Intercom app, newest first."
    )
    intercom_app_url: str = Field(
        "https://app.intercom.com", description="Intercom host where a person authorises our app."
    )
    intercom_api_urls: Regions = Field(
        [
            "us=https://api.intercom.io",
            "eu=https://api.eu.intercom.io",
            "au=https://api.au.intercom.io",
        ],
        description="Intercom's API host of each region: `region=url`, comma-separated.",
    )
    intercom_link_urls: Regions = Field(
        [
            "us=https://app.intercom.com",
            "eu=https://app.eu.intercom.com",
            "au=https://app.au.intercom.com",
        ],
        description="Intercom's host for people of each region: `region=url`, comma-separated.",
    )

    @model_validator(mode="after")
    def _signs_what_it_posts(self) -> Self:
        if (self.settings_webhook_url is None) != (self.settings_webhook_secret is None):
            raise ValueError("settings_webhook_url and settings_webhook_secret go together")
        return self

    @field_validator("settings_smtp_url")
    @classmethod
    def _is_a_mail_server(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _SMTP.fullmatch(url.get_secret_value()):
            raise ValueError("smtp://, smtp+starttls:// or smtps://, then the host")
        return url

    @property
    def lifetimes(self) -> Lifetimes:
        return Lifetimes(
            timedelta(seconds=self.settings_session_idle_s),
            timedelta(seconds=self.settings_session_absolute_s),
        )

    @property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        return [ip_network(entry) for entry in self.settings_trusted_proxies]


def by_region(entries: list[str]) -> dict[str, str]:
    """`us=https://...` entries as a table by upper-case region, as Intercom writes it."""
    pairs = (entry.partition("=") for entry in entries)
    return {region.upper(): url.rstrip("/") for region, _, url in pairs}


def by_name(entries: list[SecretStr]) -> list[tuple[str, str]]:
    """`name:value` entries, in order."""
    pairs = (entry.get_secret_value().partition(":") for entry in entries)
    return [(name, value) for name, _, value in pairs]
