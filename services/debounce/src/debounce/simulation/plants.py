"""Bugs to plant: the simulation is trusted only because it finds each of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from debounce.domain.quiet import Quiet, Settled
from debounce.domain.ticks import Ticks
from debounce.domain.update import UpdateAt
from debounce.handlers import Debounce
from debounce.partition import Partition

Plant = Callable[[], AbstractContextManager[None]]
Updates = Iterable[UpdateAt]


def _replaced(owner: type, name: str, wrong: Any) -> Plant:
    @contextmanager
    def plant() -> Iterator[None]:
        right = getattr(owner, name)
        setattr(owner, name, wrong)
        try:
            yield
        finally:
            setattr(owner, name, right)

    return plant


_read, _settle = Quiet.read, Quiet._settle
_commit_offset, _acknowledge, _take = Quiet.commit_offset, Quiet.acknowledge, Partition.take
_on_assigned, _finish = Debounce.on_assigned, Debounce._finish


def _wall_clock(self: Partition, batches: Any) -> None:
    """The service's clock instead of the log's."""
    now_ms = int(self._clock.now().timestamp() * 1000)
    self.rule.log_time_ms = max(self.rule.log_time_ms, now_ms)
    _take(self, batches)


def _without_part_id(
    self: Quiet, next_offset: int, appended_ms: int, updates: Updates = (), unusable: Any = ()
) -> Sequence[Settled]:
    without = [(offset, conversation, at, 0) for offset, conversation, at, _ in updates]
    return _read(self, next_offset, appended_ms, without, unusable)


def _older_replaces(
    self: Quiet, next_offset: int, appended_ms: int, updates: Updates = (), unusable: Any = ()
) -> Sequence[Settled]:
    settled = _read(self, next_offset, appended_ms, (), unusable)
    for offset, conversation, updated_at, part_id in updates:
        self._pending[conversation] = (offset, self.log_time_ms, updated_at, part_id)
        self._pending.move_to_end(conversation)
    return settled


def _repeat_extends(
    self: Quiet, next_offset: int, appended_ms: int, updates: Updates = (), unusable: Any = ()
) -> Sequence[Settled]:
    settled = _read(self, next_offset, appended_ms, updates, unusable)
    for _, conversation, _, _ in updates:
        own, _, at, part = self._pending[conversation]
        self._pending[conversation] = (own, self.log_time_ms, at, part)
        self._pending.move_to_end(conversation)
    return settled


def _applied_first(
    self: Quiet, next_offset: int, appended_ms: int, updates: Updates = (), unusable: Any = ()
) -> Sequence[Settled]:
    _read(self, next_offset, self.log_time_ms, updates, unusable)
    return _read(self, next_offset, appended_ms)


def _by_conversation(self: Quiet, offsets: Any) -> None:
    """Acknowledged by conversation, not by offset."""
    offsets = list(offsets)
    for offset in offsets:
        if offset in self._in_flight:
            self._pending.pop(self._in_flight[offset].conversation, None)
    _acknowledge(self, offsets)


def _due_exclusively(self: Quiet) -> list[Settled]:
    self._quiet_ms += 1
    try:
        return _settle(self)
    finally:
        self._quiet_ms -= 1


def _early(self: Quiet) -> list[Settled]:
    self._quiet_ms -= 1
    try:
        return _settle(self)
    finally:
        self._quiet_ms += 1


def _commit_one_more(self: Quiet) -> int | None:
    offset = _commit_offset(self)
    return None if offset is None or self.position is None else min(offset + 1, self.position)


def _commit_without(name: str, empty: Any) -> Callable[[Quiet], int | None]:
    def commit_offset(self: Quiet) -> int | None:
        held = getattr(self, name)
        setattr(self, name, empty)
        try:
            return _commit_offset(self)
        finally:
            setattr(self, name, held)

    return commit_offset


def _no_running_maximum(
    self: Quiet, next_offset: int, appended_ms: int, updates: Updates = (), unusable: Any = ()
) -> Sequence[Settled]:
    self.log_time_ms = 0
    return _read(self, next_offset, appended_ms, updates, unusable)


async def _map_kept(self: Debounce, numbers: Any) -> None:
    """A partition that comes back finds the map, and the acknowledgements, of long ago."""
    kept = self.__dict__.setdefault("_kept", {})
    await _on_assigned(self, numbers)
    for number in numbers:
        if number in kept:
            self.partitions[number].rule = kept[number]
        kept[number] = self.partitions[number].rule


async def _no_commit(self: Debounce, leaving: list[Partition]) -> None:
    for partition in leaving:
        await partition.stop()


def _taken_for_sent(self: Partition, batches: Any) -> None:
    """Acknowledged when handed to the producer."""
    _take(self, batches)
    self.rule.acknowledge([one.offset for one in self.rule.in_flight()])


def _asked_once(self: Ticks, elapsed_s: float) -> None:
    self._asked_at_s = float("inf")


PLANTS: dict[str, Plant] = {
    "none": nullcontext,
    "wall clock for log time": _replaced(Partition, "take", _wall_clock),
    "equal second ignored": _replaced(Quiet, "read", _without_part_id),
    "older update replaces": _replaced(Quiet, "read", _older_replaces),
    "repeat extends the wait": _replaced(Quiet, "read", _repeat_extends),
    "applied before what is due settles": _replaced(Quiet, "read", _applied_first),
    "acknowledged by conversation": _replaced(Quiet, "acknowledge", _by_conversation),
    "due exclusively": _replaced(Quiet, "_settle", _due_exclusively),
    "due a millisecond early": _replaced(Quiet, "_settle", _early),
    "commit + 1": _replaced(Quiet, "commit_offset", _commit_one_more),
    "commit past pending": _replaced(Quiet, "commit_offset", _commit_without("_pending", {})),
    "commit past in flight": _replaced(Quiet, "commit_offset", _commit_without("_in_flight", {})),
    "commit past dead letters": _replaced(
        Quiet, "commit_offset", _commit_without("_asked_of_dead_letters", set())
    ),
    "log time runs backwards": _replaced(Quiet, "read", _no_running_maximum),
    "map kept over assignments": _replaced(Debounce, "on_assigned", _map_kept),
    "no commit on handing over": _replaced(Debounce, "_finish", _no_commit),
    "acknowledged before it was sent": _replaced(Partition, "take", _taken_for_sent),
    "lost tick never asked again": _replaced(Ticks, "asked", _asked_once),
}
