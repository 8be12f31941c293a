"""An update as the hot path sees it."""

from typing import NamedTuple, TypeAlias

# Offset, conversation, updated_at, part id: `Update` and its place as a plain tuple, which is made
# in a third of the time.
UpdateAt: TypeAlias = tuple[int, bytes, int, int]


class Update(NamedTuple):
    conversation: bytes  # workspace_id:conversation_id, the record's key
    updated_at: int  # whole seconds since the epoch
    part_id: int
