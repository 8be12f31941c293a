"""Every environment variable of the simulators, with its default."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SimulatorsConfig(BaseSettings):
    """Where to listen. Our OAuth apps at the vendors are `<vendor>-client`, `<vendor>-secret`."""

    model_config = SettingsConfigDict(env_prefix="LULL_SIMULATORS_", hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8090, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    public_url: str | None = Field(
        None, description="Address written into answers, where it differs from the one listened on"
    )
    validate_traffic: bool = Field(
        False,
        validation_alias="LULL_SIMULATORS_VALIDATE",
        description="Check every request and response against the vendors' API descriptions",
    )
