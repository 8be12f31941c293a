"""Spans of debounce, made only where tracing is on: reading and settling know nothing of them."""

from common.events import Trigger
from common.tracing import Recorder, ids_of, place_of_settled, place_of_update

from debounce.domain.quiet import Settled
from debounce.ports import Batch, ReadBatch, Reading


def traced(read: ReadBatch, recorder: Recorder) -> ReadBatch:
    """The same reading, and a span for each update, in the trace of its webhook."""

    def read_and_note(batch: Batch) -> Reading:
        reading = read(batch)
        for _, conversation, updated_at, part_id in reading.updates:
            recorder.noted(
                "ConversationUpdated process",
                "consumer",
                ids_of(conversation),
                parent=place_of_update(conversation, updated_at, part_id),
            )
        return reading

    return read_and_note


def note_settled(settled: Settled, recorder: Recorder) -> tuple[str, bytes]:
    """A trace of its own, linked to that of the last update; the header that names it."""
    conversation, updated_at, part_id = settled.conversation, settled.updated_at, settled.part_id
    place = place_of_settled(conversation, Trigger.QUIET, updated_at, part_id, None)
    recorder.noted(
        "ConversationSettled publish",
        "producer",
        {**ids_of(conversation), "lull.trigger": Trigger.QUIET.value},
        at=place,
        link=place_of_update(conversation, updated_at, part_id),
    )
    return "traceparent", place.traceparent.encode()
