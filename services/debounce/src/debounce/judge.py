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
    expected: int  # settled events that the log of updates calls for
    missing: tuple[LoggedUpdate, ...]
    early: tuple[LoggedSettled, ...]  # a newer update came within the quiet period
    unfounded: tuple[LoggedSettled, ...]  # names nothing, or something that is not settled
    repeats: int
    most_repeats_of_one: int

    @property
    def right(self) -> bool:
        return not (self.missing or self.early or self.unfounded)


def judge(
    updates: Iterable[LoggedUpdate],
    settled: Sequence[LoggedSettled],
    quiet_ms: int,
    *,
    at_rest: bool = False,
) -> Verdict:
    """Judge both logs, from their beginning; the updates in the order of each partition.

    Args:
        updates: All records of the topic: also those that only move time.
        settled: All records of the other.
        quiet_ms: The quiet period.
        at_rest: Nothing more comes, so the last update of each conversation is called for as
            well, whether or not the log's time has passed its quiet period.

    """
    by_place, by_conversation = {}, defaultdict(list)
    log_time: dict[int, int] = defaultdict(int)  # of the partition, so far
    for update in updates:
        now = log_time[update.partition] = max(log_time[update.partition], update.appended_ms)
        if update.conversation is not None:
            by_place[update.partition, update.offset] = update
            by_conversation[update.partition, update.conversation].append((update, now))
    expected: dict[tuple[int, int], LoggedUpdate] = {}
    for (partition, _), of_one in by_conversation.items():
        for update in _settling(of_one, inf if at_rest else log_time[partition], quiet_ms):
            expected[partition, update.offset] = update
    times = Counter((one.partition, one.named_offset) for one in settled)
    return Verdict(
        expected=len(expected),
        missing=tuple(update for place, update in expected.items() if place not in times),
        early=tuple(one for one in settled if _early(one, by_place, by_conversation, quiet_ms)),
        unfounded=tuple(one for one in settled if not _founded(one, expected)),
        repeats=len(settled) - len(times),
        most_repeats_of_one=max(times.values(), default=1) - 1,
    )


def _settling(
    of_one: Sequence[tuple[LoggedUpdate, int]], end: float, quiet_ms: int
) -> Iterable[LoggedUpdate]:
    """The updates of one conversation after which it was quiet for long enough."""
    newest: tuple[LoggedUpdate, int] | None = None
    for update, now in of_one:
        if newest is not None and now >= newest[1] + quiet_ms:
            yield newest[0]
            newest = None
        if newest is None or update.version > newest[0].version:
            newest = (update, now)
    if newest is not None and end >= newest[1] + quiet_ms:
        yield newest[0]


def _founded(one: LoggedSettled, expected: dict[tuple[int, int], LoggedUpdate]) -> bool:
    update = expected.get((one.partition, one.named_offset))
    return (
        update is not None
        and update.conversation == one.conversation
        and update.version == (one.updated_at, one.part_id)
    )


def _early(
    one: LoggedSettled,
    by_place: dict[tuple[int, int], LoggedUpdate],
    by_conversation: dict[tuple[int, str], list[tuple[LoggedUpdate, int]]],
    quiet_ms: int,
) -> bool:
    named = by_place.get((one.partition, one.named_offset))
    if named is None or named.conversation is None:
        return False  # unfounded
    due = named.appended_ms + quiet_ms
    if one.appended_ms is not None and one.appended_ms < due:
        return True
    return any(
        later.offset > named.offset and later.appended_ms < due and later.version > named.version
        for later, _ in by_conversation[one.partition, named.conversation]
    )
