"""Where the commands find the services, and with which credential they change something there."""

from common.config import CommaSeparated, ServiceConfig
from pydantic import Field, SecretStr


class LullConfig(ServiceConfig):
    delivery_url: str = Field(
        "http://127.0.0.1:8082", description="delivery's internal API, for `lull`."
    )
    debounce_url: CommaSeparated = Field(
        ["http://127.0.0.1:8081"],
        min_length=1,
        description="debounce's internal API, each replica's, comma-separated, for `lull`.",
    )
    settings_url: str = Field(
        "http://127.0.0.1:8083", description="settings' public listener, for `lull`."
    )
    settings_operator_token: SecretStr | None = Field(
        None, description="The operator's credential at settings, for `lull`."
    )
    delivery_operator_token: SecretStr | None = Field(
        None, description="The operator's credential at delivery, for `lull replay`."
    )
