"""What no page of a vendor says for sure: one declaration each, in the CRM's folder.

`<crm>/facts.toml` lists them. Each names the constant that stands on the careful side meanwhile,
and, where `lull doctor --live` can prove it at a sandbox account, the step that does. `proved`
is the day on which that was seen.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import Any, Final

from common.catalog import CRMS

PACKAGE: Final = "delivery.adapters.crm"


@dataclass(frozen=True, slots=True)
class Fact:
    crm: str
    key: str  # stable, unique within its CRM
    what: str  # a sentence that may turn out to be wrong
    meanwhile: str  # what we do until it is known
    constant: str | None  # `module.NAME` in the CRM's folder, or None where none holds it
    source: str  # where it was looked for, or seen
    step: str | None  # of `lull doctor --live`, by which it is proved
    proved: date | None


def facts_of(crm: str) -> tuple[Fact, ...]:
    """Those of one CRM of the catalog. Raises TypeError or KeyError for a file of another shape."""
    file = resources.files(f"{PACKAGE}.{crm}") / "facts.toml"
    listed: list[dict[str, Any]] = tomllib.loads(file.read_text(encoding="utf-8")).get("fact", [])
    optional = {"constant": None, "step": None, "proved": None}
    return tuple(Fact(crm=crm, **optional | given) for given in listed)


def all_facts() -> tuple[Fact, ...]:
    return tuple(fact for crm in CRMS for fact in facts_of(crm))
