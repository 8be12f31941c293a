"""An update as the hot path sees it."""

from typing import NamedTuple


class Update(NamedTuple):
    conversation: bytes  # workspace_id:conversation_id, the record's key
    updated_at: int  # whole seconds since the epoch
    part_id: int
