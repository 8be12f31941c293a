"""What can be turned while the simulators run: delays, lags, lifetimes."""

from collections.abc import Iterable
from typing import Protocol

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat


class _Facts(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def token_lifetime_s(self) -> float: ...
    @property
    def rotates_refresh_tokens(self) -> bool: ...


class Knobs(BaseModel):
    """The groups are by vendor; `latency_ms` has Intercom as well."""

    model_config = ConfigDict(extra="forbid")

    latency_ms: dict[str, NonNegativeFloat]
    search_lag_s: dict[str, NonNegativeFloat]
    token_lifetime_s: dict[str, PositiveFloat]
    rotate_refresh_tokens: dict[str, bool]
    rate_limits: bool = True
    webhook_retry_s: NonNegativeFloat = 60
    webhook_timeout_s: PositiveFloat = 5

    @classmethod
    def of(cls, crms: Iterable[_Facts]) -> "Knobs":
        """As they stand at the start: the vendors' own lifetimes, no delay and no lag."""
        known = tuple(crms)
        return cls(
            latency_ms={"intercom": 0, **{crm.name: 0 for crm in known}},
            search_lag_s={crm.name: 0 for crm in known},
            token_lifetime_s={crm.name: crm.token_lifetime_s for crm in known},
            rotate_refresh_tokens={crm.name: crm.rotates_refresh_tokens for crm in known},
        )

    def patched(self, change: dict[str, object]) -> "Knobs":
        """A copy with the given parts replaced; groups are merged, not replaced whole.

        Raises:
            ValueError: a name or value is wrong.

        """
        merged: dict[str, object] = self.model_dump()
        for name, value in change.items():
            old = merged.get(name)
            if isinstance(old, dict) and isinstance(value, dict):
                if unknown := value.keys() - old.keys():
                    message = f"{name}: there is no {min(unknown)}"
                    raise ValueError(message)
                merged[name] = {**old, **value}
            else:
                merged[name] = value
        return Knobs.model_validate(merged)
