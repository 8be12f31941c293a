"""Where the vendors' descriptions differ from what the vendors send: the one table of it."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Nullable:
    """Fields that may be null in an answer, though the description gives them a plain type."""

    names: re.Pattern[str]
    reason: str


NULLABLE = {
    "intercom": Nullable(
        re.compile(
            "body|email|email_domain|width|height|assigned_to|conversation_rating|event_details"
            "|first_contact_reply|sla_applied|statistics|email_message_metadata|ai_agent|next"
        ),
        "null when there is none: a part without text, a lead without an address, a file that is "
        "no picture, the last page",
    ),
    "pipedrive": Nullable(
        re.compile(r"\w+"), "unset fields come as null; hardly any is marked as nullable"
    ),
}


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A field that is sent though the description does not have it."""

    vendor: str
    schema: str
    field: str
    is_a: dict[str, Any]
    reason: str


UNDECLARED = (
    Undeclared(
        "intercom", "conversation", "topics", {"type": "object"}, "webhooks carry topics of a talk"
    ),
    Undeclared(
        "intercom",
        "conversation_teammates",
        "admins",
        {"type": "array", "items": {"$ref": "#/components/schemas/reference"}},
        "webhooks list teammates under `admins`, the REST API under `teammates`",
    ),
)


@dataclass(frozen=True, slots=True)
class Exemption:
    """A finding that is none. `finding` is searched in its text."""

    vendor: str
    finding: re.Pattern[str]
    reason: str


EXEMPTIONS = (
    Exemption(
        "intercom",
        re.compile(r"^webhook body: (/data)?: Unevaluated"),
        "the description joins two open halves of an envelope, of which each knows half the fields",
    ),
    Exemption(
        "pipedrive",
        re.compile(r"^response body: : Unevaluated .*\('error_info' was unexpected\)"),
        "a live 401 of users/me carries error_info, as all errors do; this one answer forgets it",
    ),
)


def is_exempt(vendor: str, finding: str) -> bool:
    return any(e.vendor == vendor and e.finding.search(finding) for e in EXEMPTIONS)
