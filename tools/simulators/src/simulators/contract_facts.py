"""What a vendor's folder says in `contract.py`: its descriptions, and where they are wrong."""

import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Description:
    file: str  # in `vendor_data/<vendor>`
    below: str = ""  # regular expression of what stands before the description's own paths


@dataclass(frozen=True, slots=True)
class Nullable:
    """Fields that may be null in an answer, though the description gives them a plain type."""

    names: re.Pattern[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A field that is sent though the description does not have it."""

    schema: str
    field: str
    is_a: dict[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Exemption:
    """A finding that is none. `finding` is searched in its text."""

    finding: re.Pattern[str]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    descriptions: tuple[Description, ...]
    # The shape of an error where the operation declares none of that status.
    error: dict[str, Any]
    # Pages for people, and calls whose answers no description has.
    undescribed: re.Pattern[str] = field(default=re.compile(r"^/oauth/authorize$"))
    nullable: Nullable | None = None
    undeclared: tuple[Undeclared, ...] = ()
    exemptions: tuple[Exemption, ...] = ()

    def is_exempt(self, finding: str) -> bool:
        return any(exemption.finding.search(finding) for exemption in self.exemptions)
