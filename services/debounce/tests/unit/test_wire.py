"""The fast reader and writer say exactly what the events' own models say."""

import json

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from common.events import ConversationSettled, ConversationUpdated, Trigger
from debounce.adapters.wire import TICK_TYPE, read_batch, settled_value
from debounce.domain.quiet import Settled
from debounce.domain.update import Update
from debounce.ports import Batch, Reading, Unreadable
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError


def batch(value: bytes | None, key: bytes | None = b"k", *headers: tuple[str, bytes]) -> Batch:
    """Of one record, as `tests/unit/test_batches.py` shows it to be framed."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 2**20)
    assert builder.append(0, 0, key, value, list(headers))
    return Batch("t", 0, 5, 6, 1_790_000_000_000, 5, 1, bytes(builder.build()), 61)


def model_reads(value: bytes) -> Update | None:
    try:
        event = ConversationUpdated.model_validate_json(value)
    except ValidationError:
        return None
    return Update(event.key(), int(event.updated_at.timestamp()), event.part_id)


def we_read(value: bytes | None) -> Update | None:
    reading = read_batch(batch(value))
    assert len(reading.updates) + len(reading.unreadable) == 1
    for offset, conversation, updated_at, part_id in reading.updates:
        assert offset == 5
        return Update(conversation, updated_at, part_id)
    return None


WORKSPACES = st.one_of(st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"), st.text(max_size=70))
CONVERSATIONS = st.one_of(st.from_regex(r"\A[0-9]{1,20}\Z"), st.text(max_size=25))
NUMBERS = st.one_of(
    st.integers(-5, 2**64), st.integers(1_500_000_000, 2_000_000_000), st.floats(), st.none()
)


@given(
    st.fixed_dictionaries(
        {
            "workspace_id": WORKSPACES,
            "conversation_id": CONVERSATIONS,
            "updated_at": st.one_of(NUMBERS, st.datetimes().map(lambda at: f"{at.isoformat()}Z")),
            "part_id": st.one_of(NUMBERS, st.integers(0, 9).map(str)),
        },
        optional={"later_field": st.none()},
    )
)
@example({"workspace_id": "w", "conversation_id": "1", "updated_at": 20_000_000_000, "part_id": 0})
@example({"workspace_id": "w", "conversation_id": "1", "updated_at": 20_000_000_001, "part_id": 0})
@example({"workspace_id": "w", "conversation_id": "1\n", "updated_at": 1, "part_id": 0})
@example({"workspace_id": "w", "conversation_id": "1", "updated_at": 1, "part_id": 2**63})
@example({"workspace_id": "w", "conversation_id": "1", "updated_at": 1.5, "part_id": 1.0})
def test_every_update_is_read_as_the_event_model_reads_it(fields: dict[str, object]) -> None:
    value = json.dumps(fields).encode()

    assert we_read(value) == model_reads(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_update_or_unreadable(value: bytes) -> None:
    assert we_read(value) == model_reads(value)


@given(
    st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z"),
    st.from_regex(r"\A[0-9]{1,20}\Z"),
    st.integers(0, 4_000_000_000),
    st.integers(0, 2**63 - 1),
)
def test_a_settled_event_has_the_event_model_s_own_json(
    workspace: str, conversation: str, updated_at: int, part_id: int
) -> None:
    event = ConversationSettled.model_validate(
        {
            "workspace_id": workspace,
            "conversation_id": conversation,
            "trigger": Trigger.QUIET,
            "updated_at": updated_at,
            "part_id": part_id,
        }
    )

    assert settled_value(Settled(3, event.key(), updated_at, part_id, 9)) == event.to_json()


@pytest.mark.parametrize("value", [b"{}", b"", None])
def test_a_tick_is_no_update(value: bytes | None) -> None:
    tick = (("ce_id", b"1"), ("ce_type", TICK_TYPE.encode()))

    assert read_batch(batch(value, None, *tick)) == Reading([], [], 1)
    # With a key it would be somebody's, and without the header anybody's.
    assert read_batch(batch(value, b"k", *tick)).ticks == 0
    assert read_batch(batch(value, None, *tick[:1])).ticks == 0


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no_value"),
        (b"", "no_value"),
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b"{}", "invalid_update"),
        (b'"canary"', "invalid_update"),
    ],
)
def test_the_reason_is_a_code_and_never_the_content(value: bytes | None, reason: str) -> None:
    reading = read_batch(batch(value))

    assert reading == Reading([], [Unreadable(5, len(value or b""), reason)])
