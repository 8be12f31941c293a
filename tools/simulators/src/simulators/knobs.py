"""What can be turned while the simulators run: delays, lags, lifetimes."""

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat


class _Knobs(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LatencyMs(_Knobs):
    intercom: NonNegativeFloat = 0
    hubspot: NonNegativeFloat = 0
    pipedrive: NonNegativeFloat = 0


class SearchLagS(_Knobs):
    hubspot: NonNegativeFloat = 0
    pipedrive: NonNegativeFloat = 0


class TokenLifetimeS(_Knobs):
    """The vendors' own: 30 minutes, and one hour less a second."""

    hubspot: PositiveFloat = 1800
    pipedrive: PositiveFloat = 3599


class RotateRefreshTokens(_Knobs):
    """Whether a refresh ends the refresh token that was used.

    HubSpot was seen to give the same one back; Pipedrive's error text speaks of one "already
    exchanged", so here its old one dies.
    """

    hubspot: bool = False
    pipedrive: bool = True


class Knobs(_Knobs):
    latency_ms: LatencyMs = Field(default_factory=LatencyMs)
    search_lag_s: SearchLagS = Field(default_factory=SearchLagS)
    token_lifetime_s: TokenLifetimeS = Field(default_factory=TokenLifetimeS)
    rotate_refresh_tokens: RotateRefreshTokens = Field(default_factory=RotateRefreshTokens)
    rate_limits: bool = True
    webhook_retry_s: NonNegativeFloat = 60
    webhook_timeout_s: PositiveFloat = 5

    def patched(self, change: dict[str, object]) -> "Knobs":
        """A copy with the given parts replaced; groups are merged, not replaced whole.

        Raises:
            pydantic.ValidationError: a name or value is wrong.

        """
        merged: dict[str, object] = self.model_dump()
        for name, value in change.items():
            old = merged.get(name)
            both = isinstance(old, dict) and isinstance(value, dict)
            merged[name] = {**old, **value} if both else value  # type: ignore[dict-item]
        return Knobs.model_validate(merged)
