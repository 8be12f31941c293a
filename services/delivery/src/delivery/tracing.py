"""An attempt as a span, in the trace of the newest request that it is to answer."""

from contextlib import AbstractContextManager, nullcontext

from common import tracing
from common.events import conversation_key

from delivery.domain.row import Row


def attempting(row: Row) -> AbstractContextManager[object]:
    """Around an attempt; calls to Intercom and the CRM inside become its children."""
    if tracing.recorder is None:
        return nullcontext()
    key = row.key
    conversation = conversation_key(key.workspace_id, key.conversation_id)
    newest = max(row.requests, key=lambda request: request.number, default=None)
    parent = None
    if newest is not None:
        at, part = None, None
        if newest.update is not None:
            at, part = int(newest.update.updated_at.timestamp()), newest.update.part_id
        parent = tracing.place_of_settled(conversation, newest.trigger, at, part, newest.action_id)
    attributes = {**tracing.ids_of(conversation), "lull.crm": key.crm}
    return tracing.recorder.span("delivery attempt", "internal", attributes, parent=parent)
