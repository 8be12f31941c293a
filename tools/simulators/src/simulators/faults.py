"""Faults that are switched on by call, and which request each of them hits."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Kind = Literal[
    "429", "500_before", "500_after", "timeout", "timeout_after", "reset", "reset_after",
    "slow", "late_body", "html_502", "cut_body", "trickle", "401", "403", "revoked",
    "echo",
]  # fmt: skip

WRITES_FIRST: frozenset[Kind] = frozenset(
    {"500_after", "timeout_after", "reset_after", "slow", "late_body", "cut_body", "trickle"}
)
"""Kinds under which the vendor does its work before the fault shows."""

DEFAULT_MS: dict[Kind, float] = {"slow": 2000, "late_body": 2000, "trickle": 200}


class FaultSpec(BaseModel):
    model_config = ConfigDict(extra="forbid")

    vendor: str
    kind: Kind
    account: str | None = None
    method: str | None = None
    path: str | None = Field(None, description="regular expression, searched in the path")
    times: int | None = Field(1, ge=1, description="how many calls it hits; null: until cleared")
    skip: int = Field(0, ge=0, description="matching calls that pass first")
    ms: float | None = Field(None, ge=0)
    status: int = Field(400, ge=400, le=599, description="of an echo")
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                message = f"not a regular expression: {error}"
                raise ValueError(message) from error
        return value

    def matches(self, vendor: str, account: str | None, method: str, path: str) -> bool:
        return (
            self.vendor == vendor
            and self.account in (None, account)
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path) is not None)
        )


@dataclass(slots=True)
class Fault:
    id: str
    spec: FaultSpec
    seen: int = 0
    hits: int = 0

    @property
    def delay_s(self) -> float:
        ms = self.spec.ms if self.spec.ms is not None else DEFAULT_MS.get(self.spec.kind, 0)
        return ms / 1000

    def view(self) -> dict[str, Any]:
        return {"id": self.id, **self.spec.model_dump(), "seen": self.seen, "hits": self.hits}


class FaultBook:
    """Faults in the order they were added; the first one that is due takes the request."""

    def __init__(self, vendors: Collection[str]) -> None:
        self._vendors = vendors
        self._faults: dict[str, Fault] = {}
        self._next = 1

    def add(self, spec: FaultSpec) -> Fault:
        """The fault, switched on. Raises ValueError for a vendor that is not simulated."""
        if spec.vendor not in self._vendors:
            message = f"vendor: there is no {spec.vendor}"
            raise ValueError(message)
        fault = Fault(f"f{self._next}", spec)
        self._next += 1
        self._faults[fault.id] = fault
        return fault

    def all(self) -> list[Fault]:
        return list(self._faults.values())

    def clear(self, fault_id: str | None = None) -> int:
        """How many were cleared."""
        if fault_id is not None:
            return 0 if self._faults.pop(fault_id, None) is None else 1
        count = len(self._faults)
        self._faults.clear()
        return count

    def take(self, vendor: str, account: str | None, method: str, path: str) -> Fault | None:
        """The fault for this request, counted as used; a spent one stays listed but never hits."""
        for fault in self._faults.values():
            spent = fault.spec.times is not None and fault.hits >= fault.spec.times
            if spent or not fault.spec.matches(vendor, account, method, path):
                continue
            fault.seen += 1
            if fault.seen > fault.spec.skip:
                fault.hits += 1
                return fault
        return None
