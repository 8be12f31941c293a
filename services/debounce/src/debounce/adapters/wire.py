"""Updates from bytes and settled events to bytes, as `common.events` says, but fast.

pydantic takes 5 times as long for the same record. What ingest writes is read here by msgspec; any
other form goes to the event's own model, so that both accept the same. Tests hold them equal.
"""

import re
from typing import Annotated

import msgspec
from common.events import ConversationUpdated
from pydantic import ValidationError

from debounce.adapters.frames import frames, headers
from debounce.domain.quiet import Settled
from debounce.ports import Batch, Reading, Unreadable

TICK_TYPE = "lull.Tick.v1"
_TICK = (b"ce_type", TICK_TYPE.encode())


class _Updated(msgspec.Struct, gc=False):
    workspace_id: str
    conversation_id: str
    # Up to here pydantic reads a number as seconds, above it as milliseconds.
    updated_at: Annotated[int, msgspec.Meta(ge=0, le=20_000_000_000)]
    part_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Refused(Exception):
    """Why nobody can use a value: a code, never its content."""


_decode = msgspec.json.Decoder(_Updated).decode
_is_conversation = re.compile(rb"[A-Za-z0-9_-]{1,64}:[0-9]{1,20}").fullmatch


def read_batch(batch: Batch) -> Reading:
    """Implements `ports.ReadBatch`. Headers are looked at only where there is no key."""
    reading = Reading([], [])
    add = reading.updates.append
    for offset, value, headers_at in frames(batch):
        if headers_at is not None and _TICK in headers(batch.data, headers_at):
            reading.ticks += 1
            continue
        try:
            update = _decode(value)  # type: ignore[arg-type] # None goes the long way
            conversation = f"{update.workspace_id}:{update.conversation_id}".encode()
            if _is_conversation(conversation) is not None:
                add((offset, conversation, update.updated_at, update.part_id))
                continue
        except (msgspec.MsgspecError, UnicodeError, TypeError):
            pass
        try:
            add((offset, *read_value(value)))
        except Refused as refused:
            reading.unreadable.append(Unreadable(offset, len(value or b""), str(refused)))
    return reading


def read_value(value: bytes | None) -> tuple[bytes, int, int]:
    """Conversation, updated_at (s), part id, by the event's own model. Raises Refused."""
    if not value:
        raise Refused("no_value")
    try:
        update = ConversationUpdated.model_validate_json(value)
    except ValidationError as error:
        kind = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise Refused("not_json" if kind["type"] == "json_invalid" else "invalid_update") from None
    return update.key(), int(update.updated_at.timestamp()), update.part_id


def settled_value(settled: Settled) -> bytes:
    """The JSON of ConversationSettled(trigger=quiet). Ids were checked when they were read."""
    workspace_id, _, conversation_id = settled.conversation.partition(b":")
    return (
        b'{"workspace_id":"%b","conversation_id":"%b","trigger":"quiet","updated_at":%d,'
        b'"part_id":%d}' % (workspace_id, conversation_id, settled.updated_at, settled.part_id)
    )
