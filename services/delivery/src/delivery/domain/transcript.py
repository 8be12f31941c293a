"""The one renderer: a conversation becomes our block of a note, as HTML or as plain text.

Oldest first; the marker opens the first line and closes the last. Where the text is longer than the
CRM takes, the opening and the newest messages stay and a line between them says what is missing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from delivery.domain.conversation import Conversation, Message
from delivery.domain.forms import Form, Html, Plain, counted
from delivery.domain.note import COPIED_ON, OPEN_IT, Marker, Note
from delivery.domain.person import NAME_MAX_CHARS, role
from delivery.domain.text import Size, boundary, harmless, one_line

CUT: Final = "(cut here: the whole message is in Intercom)"
NAMES_SHOWN: Final = 4
_CHANNELS: Final = {
    "conversation": "Messenger",
    "email": "email",
    "phone_call": "phone call",
    "phone_switch": "phone switch",
    "sms": "SMS",
    "whatsapp": "WhatsApp",
}


def render(
    conversation: Conversation,
    *,
    marker: Marker,
    link: str,
    time_zone: str,
    copied_at: datetime,
    html: bool,
    max_chars: int,
    max_bytes: int | None = None,
) -> Note:
    """Our block, marker lines and link included, within the CRM's limits.

    Args:
        time_zone: IANA name; an unknown one is taken as UTC.
        max_chars: the whole body, markup included, in UTF-16 units.
        max_bytes: the whole body in UTF-8, for a CRM that counts so.

    Raises:
        ValueError: the limit has no room for the link and the markers.

    """
    form = Html(_zone(time_zone)) if html else Plain(_zone(time_zone))
    head = form.line(_head(conversation, marker, form))
    tail = form.last_line(_copied(copied_at, form), link, str(marker))
    limit = Size(max_chars, max_chars * 4 if max_bytes is None else max_bytes)
    gap = form.gap(conversation.omitted + len(conversation.messages))
    if not Size.of(head + gap + tail).fits(limit):
        head = form.line(f"{marker} Intercom conversation")
        if not Size.of(head + gap + tail).fits(limit):
            raise ValueError("the limit has no room for the link and the markers")
    newest = conversation.newest_update
    last = conversation.messages[-1].sent_at if conversation.messages else conversation.read_at
    return Note(
        body="".join((head, *_fitted(conversation, form, limit - Size.of(head + tail)), tail)),
        marker=marker,
        written_for=newest.updated_at if newest else last,
        subject=f"Intercom conversation {conversation.id} {marker}",
    )


def _head(conversation: Conversation, marker: Marker, form: Form) -> str:
    messages = conversation.messages
    count = len(messages) + conversation.omitted
    channel = _CHANNELS.get(conversation.channel, one_line(conversation.channel, 30))
    parts = [f"{marker} Intercom conversation with {_who(messages)}", channel]
    if messages:
        parts.append(f"{form.time(messages[0].sent_at)} to {form.time(messages[-1].sent_at)}")
    parts.append(counted(count, "message"))
    return " · ".join(part for part in parts if part)


def _who(messages: Sequence[Message]) -> str:
    """The customers' names, as many as a line holds; "Customer" where none has one."""
    customers = (m for m in messages if role(m.author_kind) == "Customer")
    given = dict.fromkeys(m.author_name or "Customer" for m in customers)
    names = list(dict.fromkeys(one_line(name, NAME_MAX_CHARS) for name in given))
    if not names:
        return "Customer"
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _copied(at: datetime, form: Form) -> str:
    return f"{COPIED_ON} {form.time(at)} ({form.zone}). {OPEN_IT}"


def _fitted(conversation: Conversation, form: Form, room: Size) -> list[str]:
    """The messages, or the opening and the newest of them, within the room."""
    messages = conversation.messages
    said = [form.message(message) for message in messages]
    gap = [form.gap(conversation.omitted)] if conversation.omitted else []
    whole = said[:1] + gap + said[1:]
    if Size.of("".join(whole)).fits(room):
        return whole

    if conversation.omitted or len(messages) > 1:
        # The widest that the line about the omitted can become is kept free.
        room -= Size.of(form.gap(conversation.omitted + len(messages)))
    later = Size.of("".join(said[1:]))
    opening = _cut(messages[0], said[0], form, room.half().larger(room - later))
    room -= Size.of(opening)
    newest: list[str] = []
    for index in range(len(said) - 1, 0, -1):
        block = said[index] if newest else _cut(messages[index], said[index], form, room)
        if not block or not Size.of(block).fits(room):
            break
        newest.append(block)
        room -= Size.of(block)
    omitted = conversation.omitted + len(said) - len(newest) - bool(opening)
    return [opening, form.gap(omitted) if omitted else "", *reversed(newest)]


def _cut(message: Message, whole: str, form: Form, room: Size) -> str:
    """The message, cut visibly to the room; empty where not even its first line fits."""
    if Size.of(whole).fits(room):
        return whole
    for attachments in (message.attachments, ()):
        frame = Size.of(form.message(message, text=CUT, attachments=attachments))
        left = room - frame - Size.of(form.newline)
        if min(left.chars, left.octets) >= 0:
            break
    else:
        return ""
    text = harmless(message.text)
    fits, over = 0, min(len(text), left.chars) + 1  # so many characters fit; so many do not
    while over - fits > 1:
        middle = (fits + over) // 2
        if Size.of(form.text(text[:middle])).fits(left):
            fits = middle
        else:
            over = middle
    kept = text[: boundary(text, fits)]
    return form.message(message, text=f"{kept}\n{CUT}" if kept else CUT, attachments=attachments)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
