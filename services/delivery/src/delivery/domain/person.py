"""Who somebody is: the name to show, and the addresses that find a customer in a CRM."""

import re
from collections.abc import Iterable
from typing import Final

import phonenumbers

from delivery.domain.conversation import Contact
from delivery.domain.text import one_line

CUSTOMERS: Final = frozenset({"user", "lead", "contact"})
TEAMMATES: Final = frozenset({"admin", "team"})
NAME_MAX_CHARS: Final = 80
_ADDRESS: Final = re.compile(r"[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>()]+")
_NUMBER: Final = re.compile(r"\+?[\d\s()./-]{6,}")


def role(author_kind: str) -> str:
    """What the author is called beside the name, and in its place where there is none."""
    if author_kind in CUSTOMERS:
        return "Customer"
    return "Teammate" if author_kind in TEAMMATES else "Bot"


def display_name(name: str | None, author_kind: str) -> str | None:
    """The name to show, or None where only the role is known.

    An address or a phone number used as a name is not shown: it becomes the role.
    """
    line = one_line(name or "", NAME_MAX_CHARS)
    if not line:
        return None
    if _ADDRESS.search(line) or _NUMBER.fullmatch(line):
        return role(author_kind)
    return line


def contact(contact_id: str, emails: Iterable[str], phones: Iterable[str]) -> Contact:
    """The contact with its addresses in the form that CRMs are asked for, none twice."""
    return Contact(
        id=contact_id,
        emails=_distinct(e.strip().casefold() for e in emails if _ADDRESS.fullmatch(e.strip())),
        phones=_distinct(number for number in map(e164, phones) if number),
    )


def e164(number: str) -> str | None:
    """A number with its country code as `+4930123456`; None where it is none.

    Without a country code nobody knows whose number it is, so it finds nobody.
    """
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def among(address: str, stored: Iterable[str]) -> bool:
    """Whether a CRM's stored addresses or phones hold this one; a near match is no match."""
    return any(address in (one.strip().casefold(), e164(one)) for one in stored)


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
