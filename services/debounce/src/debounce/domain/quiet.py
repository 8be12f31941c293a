"""When a conversation counts as settled: an inactivity gap, measured on the log's own clock.

One `Quiet` per partition, fed with that partition's records in the order of the log. It reads no
clock and waits for nothing: the append times of the records are its time, so a restart, a batch
size or lag do not change which conversations settle, or naming which update.

    append time   0:00      4:00                                       19:00
    log         ---A---------A'------------- nothing more of A ---------|--->
                             '---------- quiet period 15:00 ------------' A settles, naming A'

Whoever feeds it publishes what is returned, says `acknowledge` when Kafka has it, and may commit
`commit_offset`: all before it has been handed over for good.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from debounce.domain.update import UpdateAt

# A time of Intercom further than this after the append time is a clock gone wrong, not a reply to
# come: believed, it would be newer than every real reply until that time.
FUTURE_TOLERANCE_MS: Final = 60_000

# offset of the newest update; log time when it was read (ms); its updated_at (s); its part id.
# A plain tuple of numbers: it is small, and Python's garbage collector need not look into it.
Pending: TypeAlias = tuple[int, int, int, int]


class Settled(NamedTuple):
    """A conversation was quiet for the whole period after this update."""

    offset: int  # of the update it names
    conversation: bytes  # workspace_id:conversation_id
    updated_at: int  # seconds since the epoch
    part_id: int
    due_ms: int  # log time


class Quiet:
    """The pending conversations of one partition, and those settled but not yet acknowledged."""

    __slots__ = (
        "_asked_of_dead_letters",
        "_due_ms",
        "_in_flight",
        "_pending",
        "_quiet_ms",
        "_second",
        "clamped",
        "log_time_ms",
        "position",
        "repeats",
    )

    def __init__(self, quiet_ms: int) -> None:
        self._quiet_ms = quiet_ms
        self._pending: OrderedDict[bytes, Pending] = OrderedDict()  # by offset, so also by time
        self._in_flight: dict[int, Settled] = {}
        self._asked_of_dead_letters: set[int] = set()
        self._second = 0  # of the update before: thousands share one number, and so its memory
        self._due_ms = 0  # nothing is due before; may lie before the oldest entry's due time
        self.log_time_ms = 0  # never runs backwards, also where a new leader's clock does
        self.position: int | None = None  # offset after the last record read
        self.repeats = 0  # updates that changed nothing
        self.clamped = 0  # updates from the future

    def read(
        self,
        next_offset: int,
        appended_ms: int,
        updates: Iterable[UpdateAt] = (),
        unusable: Iterable[int] = (),
    ) -> Sequence[Settled]:
        """Read on, up to `next_offset`: records that were all appended at one time.

        What is due at that time settles first, also a conversation of these very updates.

        Args:
            next_offset: the one after the last of these records.
            appended_ms: by the broker's clock.
            updates: somebody spoke; in the order of the log.
            unusable: offsets that hold the commit back until their dead letters are on Kafka.
                What is neither (ticks) only tells the time.

        """
        self.position = next_offset
        if appended_ms > self.log_time_ms:
            self.log_time_ms = appended_ms
        now_ms, pending = self.log_time_ms, self._pending
        settled = self._settle() if now_ms >= self._due_ms and pending else ()
        self._asked_of_dead_letters.update(unusable)
        latest = (appended_ms + FUTURE_TOLERANCE_MS) // 1000
        second, find, move_to_end = self._second, pending.get, pending.move_to_end
        for offset, conversation, updated_at, part_id in updates:
            if updated_at > latest:
                updated_at = appended_ms // 1000
                self.clamped += 1
            if updated_at == second:
                updated_at = second
            else:
                second = updated_at
            older = find(conversation)
            if older is None:
                pending[conversation] = (offset, now_ms, updated_at, part_id)
            elif updated_at > older[2] or (updated_at == older[2] and part_id > older[3]):
                pending[conversation] = (offset, now_ms, updated_at, part_id)
                move_to_end(conversation)
            else:  # redelivered, out of order, or a second notification of one reply
                self.repeats += 1
        self._second = second
        return settled

    def acknowledge(self, offsets: Iterable[int]) -> None:
        """Settled events, or dead letters, of these offsets are on Kafka.

        By offset, not by conversation: the conversation may long be pending or in flight again.
        """
        in_flight, letters = self._in_flight, self._asked_of_dead_letters
        for offset in offsets:
            if in_flight.pop(offset, None) is None:
                letters.discard(offset)

    def commit_offset(self) -> int | None:
        """Everything before it is handed over; a restart may begin here. None: nothing read yet."""
        held = [*self._asked_of_dead_letters]
        if self._in_flight:
            held.append(next(iter(self._in_flight)))  # went in by offset
        if self._pending:
            held.append(next(iter(self._pending.values()))[0])
        return min(held, default=self.position)

    def next_due_ms(self) -> int | None:
        """Log time at which the oldest pending conversation settles; None: nothing is pending."""
        for _, time_ms, _, _ in self._pending.values():
            return time_ms + self._quiet_ms
        return None

    def pending(self, conversation: bytes) -> Pending | None:
        return self._pending.get(conversation)

    def due_ms(self, pending: Pending) -> int:
        """Log time at which it settles if nothing more is said."""
        return pending[1] + self._quiet_ms

    def pending_conversations(self) -> Sequence[bytes]:
        """All of now, the oldest first."""
        return list(self._pending)

    def in_flight(self) -> Iterable[Settled]:
        return self._in_flight.values()

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    @property
    def in_flight_count(self) -> int:
        return len(self._in_flight) + len(self._asked_of_dead_letters)

    def _settle(self) -> list[Settled]:
        """What is due is a prefix of the map, since an entry's time is the log time it was read."""
        settled = []
        pending, in_flight, quiet_ms = self._pending, self._in_flight, self._quiet_ms
        new = tuple.__new__  # what Settled() comes to, in half the time
        for conversation, (offset, time_ms, updated_at, part_id) in pending.items():
            self._due_ms = due_ms = time_ms + quiet_ms
            if self.log_time_ms < due_ms:
                break
            due = new(Settled, (offset, conversation, updated_at, part_id, due_ms))
            in_flight[offset] = due
            settled.append(due)
        for due in settled:
            del pending[due.conversation]
        return settled
