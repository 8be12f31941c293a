"""Judges debounce from the two topics alone: none missing, none early, repeats counted.

It shares nothing with the rule: it looks at one conversation after another and goes through its
updates as promise 3 puts it, where the rule keeps one ordered map for all. Tests, the simulation
and benchmarks read the logs and ask it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from debounce.domain.quiet import FUTURE_TOLERANCE_MS


@dataclass(frozen=True, slots=True)
class LoggedUpdate:
    """A record of conversation.updated. Ticks and unusable records have no conversation."""

    partition: int
    offset: int
    appended_ms: int
    conversation: str | None
    updated_at: int = 0
    part_id: int = 0

    @property
    def version(self) -> tuple[int, int]:
        future = self.updated_at * 1000 - self.appended_ms > FUTURE_TOLERANCE_MS
        return (self.appended_ms // 1000 if future else self.updated_at, self.part_id)


@dataclass(frozen=True, slots=True)
class LoggedSettled:
    """A quiet event of conversation.settled, and the offset of the update that its id names."""

    partition: int
    named_offset: int
    conversation: str
    updated_at: int
    part_id: int
    appended_ms: int | None = None  # None: by a clock that is not to be trusted


@dataclass(frozen=True, slots=True)
class Verdict:
    expected: int  # settled events that one reading of the log from end to end calls for
    missing: tuple[LoggedUpdate, ...]
    early: tuple[LoggedSettled, ...]  # a newer update came within the quiet period
    unfounded: tuple[LoggedSettled, ...]
    repeats: int
    most_repeats_of_one: int
    exact: bool  # just the expected events, each once

    @property
    def right(self) -> bool:
        return not (self.missing or self.early or self.unfounded)


@dataclass(frozen=True, slots=True)
class _Read:
    """An update, and what the log was like when it was read."""

    update: LoggedUpdate
    log_time_ms: int
    newest: bool  # newer than all of its conversation before it


def judge(
    updates: Iterable[LoggedUpdate],
    settled: Sequence[LoggedSettled],
    quiet_ms: int,
    *,
    at_rest: bool = False,
) -> Verdict:
    """Judge both logs, from their beginning; the updates in the order of each partition.

    A redelivered or older update can open a settled conversation once more. Whether it does hangs
    on where the last restart began to read, so an event that names one is neither demanded nor
    refused: it is one more invitation to look, and says nothing new.

    Args:
        updates: All records of the topic: also those that only move time.
        settled: All records of the other.
        quiet_ms: The quiet period.
        at_rest: Nothing more comes, so the last update of each conversation is called for as
            well, whether or not the log's time has passed its quiet period.

    """
    by_place: dict[tuple[int, int], _Read] = {}
    by_conversation: dict[tuple[int, str], list[_Read]] = defaultdict(list)
    log_time: dict[int, int] = defaultdict(int)  # of the partition, so far
    greatest: dict[tuple[int, str], tuple[float, int]] = defaultdict(lambda: (-inf, 0))
    for update in updates:
        now = log_time[update.partition] = max(log_time[update.partition], update.appended_ms)
        if update.conversation is not None:
            conversation = (update.partition, update.conversation)
            newest = update.version > greatest[conversation]
            greatest[conversation] = max(greatest[conversation], update.version)
            read = by_place[update.partition, update.offset] = _Read(update, now, newest)
            by_conversation[conversation].append(read)
    expected: dict[tuple[int, int], _Read] = {}
    for (partition, _), of_one in by_conversation.items():
        for read in _settling(of_one, inf if at_rest else log_time[partition], quiet_ms):
            expected[partition, read.update.offset] = read
    times = Counter((one.partition, one.named_offset) for one in settled)
    return Verdict(
        expected=len(expected),
        missing=tuple(
            read.update for place, read in expected.items() if read.newest and place not in times
        ),
        early=tuple(one for one in settled if _early(one, by_place, by_conversation, quiet_ms)),
        unfounded=tuple(one for one in settled if not _founded(one, by_place, expected)),
        repeats=len(settled) - len(times),
        most_repeats_of_one=max(times.values(), default=1) - 1,
        exact=times == Counter(dict.fromkeys(expected, 1)),
    )


def _settling(of_one: Sequence[_Read], end: float, quiet_ms: int) -> Iterable[_Read]:
    """The updates of one conversation after which it was quiet for long enough."""
    newest: _Read | None = None
    for read in of_one:
        if newest is not None and read.log_time_ms >= newest.log_time_ms + quiet_ms:
            yield newest
            newest = None
        if newest is None or read.update.version > newest.update.version:
            newest = read
    if newest is not None and end >= newest.log_time_ms + quiet_ms:
        yield newest


def _founded(
    one: LoggedSettled,
    by_place: dict[tuple[int, int], _Read],
    expected: dict[tuple[int, int], _Read],
) -> bool:
    """Names an update that is there, and that settles."""
    place = (one.partition, one.named_offset)
    read = by_place.get(place)
    return (
        read is not None
        and read.update.conversation == one.conversation
        and read.update.version == (one.updated_at, one.part_id)
        and (place in expected or not read.newest)
    )


def _early(
    one: LoggedSettled,
    by_place: dict[tuple[int, int], _Read],
    by_conversation: dict[tuple[int, str], list[_Read]],
    quiet_ms: int,
) -> bool:
    """A newer update lies less than the quiet period behind, in log time.

    Log time is the running maximum: a leader whose clock is behind may still stamp an update with
    a time that had passed when it was appended.
    """
    named = by_place.get((one.partition, one.named_offset))
    if named is None:
        return False  # unfounded
    due = named.update.appended_ms + quiet_ms
    if one.appended_ms is not None and one.appended_ms < due:
        return True
    return any(
        later.update.offset > named.update.offset
        and later.log_time_ms < due
        and later.update.version > named.update.version
        for later in by_conversation[one.partition, one.conversation]
    )
