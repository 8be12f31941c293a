"""Updates from bytes and settled events to bytes, as `common.events` says, but fast.

pydantic takes 5 times as long for the same record. What ingest writes is read here by msgspec; any
other form goes to the event's own model, so that both accept the same. Tests hold them equal.
"""

import re
from typing import Annotated, Any

import msgspec
from aiokafka import ConsumerRecord
from common.events import ConversationUpdated
from pydantic import ValidationError

from debounce.domain.quiet import Settled
from debounce.ports import Unreadable

TICK_TYPE = "lull.Tick.v1"
_TICK = ("ce_type", TICK_TYPE.encode())


class _Updated(msgspec.Struct, gc=False):
    workspace_id: str
    conversation_id: str
    # Up to here pydantic reads a number as seconds, above it as milliseconds.
    updated_at: Annotated[int, msgspec.Meta(ge=0, le=20_000_000_000)]
    part_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


_decode = msgspec.json.Decoder(_Updated).decode
_is_conversation = re.compile(rb"[A-Za-z0-9_-]{1,64}:[0-9]{1,20}").fullmatch


def read_update(record: ConsumerRecord[Any, Any]) -> tuple[bytes, int, int] | None:
    if record.key is None and _TICK in record.headers:
        return None
    value = record.value
    if not value:
        raise Unreadable("no_value")
    try:
        update = _decode(value)
        conversation = f"{update.workspace_id}:{update.conversation_id}".encode()
    except (msgspec.MsgspecError, UnicodeError):
        return _read_by_model(value)
    if _is_conversation(conversation) is None:
        raise Unreadable("invalid_update")
    return conversation, update.updated_at, update.part_id


def _read_by_model(value: bytes) -> tuple[bytes, int, int]:
    try:
        update = ConversationUpdated.model_validate_json(value)
    except ValidationError as error:
        kind = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise Unreadable(
            "not_json" if kind["type"] == "json_invalid" else "invalid_update"
        ) from None
    return (update.key(), int(update.updated_at.timestamp()), update.part_id)


def settled_value(settled: Settled) -> bytes:
    """The JSON of ConversationSettled(trigger=quiet). Ids were checked when they were read."""
    workspace_id, _, conversation_id = settled.conversation.partition(b":")
    return (
        b'{"workspace_id":"%b","conversation_id":"%b","trigger":"quiet","updated_at":%d,'
        b'"part_id":%d}' % (workspace_id, conversation_id, settled.updated_at, settled.part_id)
    )
