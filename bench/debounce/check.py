"""Judges an output topic by the log alone, the same way for every contender.

It shares nothing with what it judges: it knows each update's conversation and append time as the
broker acknowledged them, and asks of each output whether its conversation was quiet after the
update that it names. Ten million updates fit into its arrays, which `debounce.judge` could not do.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

NONE = 0  # append time of an update that has no newer one


@dataclass(frozen=True, slots=True)
class Output:
    """What a settled event names."""

    conversation: bytes  # the record's key
    updated_at: int  # seconds
    number: int  # of the update: its part id counts all updates of the load


@dataclass(frozen=True, slots=True)
class Verdict:
    expected: int
    outputs: int
    missing: int
    premature: int  # outputs naming an update that has a newer one within the quiet period
    repeated: int  # outputs that are right and were there before
    wrong: int  # outputs naming an update that never was

    @property
    def right(self) -> bool:
        return not (self.missing or self.premature or self.wrong)


@dataclass(frozen=True, slots=True)
class Updates:
    """All updates by number, in the order of the log for each conversation."""

    conversations: "array[int]"
    appended_ms: "array[int]"
    updated_at: "array[int]"

    def newer_ms(self) -> "array[int]":
        """Append time of the next update of the same conversation, or NONE."""
        newer = array("q", bytes(8 * len(self.conversations)))
        latest: dict[int, int] = {}
        for number in range(len(self.conversations) - 1, -1, -1):
            conversation = self.conversations[number]
            newer[number] = latest.get(conversation, NONE)
            latest[conversation] = self.appended_ms[number]
        return newer


def quiet_ms_for(updates: Updates, newer_ms: "array[int]", settled: int) -> int:
    """The quiet period, in whole milliseconds, with which about so many events settle."""
    gaps = sorted(
        newer - appended
        for newer, appended in zip(newer_ms, updates.appended_ms, strict=True)
        if newer != NONE
    )
    last_ones = len(newer_ms) - len(gaps)
    place = len(gaps) - max(0, settled - last_ones)
    return max(2, gaps[min(place, len(gaps) - 1)]) if gaps else 1000


class Checker:
    """For one log and one quiet period; judges any number of outputs."""

    def __init__(self, updates: Updates, newer_ms: "array[int]", quiet_ms: int) -> None:
        self._updates = updates
        self._settles = bytearray(
            newer == NONE or newer - appended >= quiet_ms
            for newer, appended in zip(newer_ms, updates.appended_ms, strict=True)
        )
        self.expected = sum(self._settles)

    def judge(self, outputs: Iterable[Output], name: "Name") -> Verdict:
        """Outputs of nobody's conversation (see `load.CLOSING`) must be left out before."""
        seen = bytearray(len(self._settles))
        count = premature = repeated = wrong = 0
        for output in outputs:
            count += 1
            number = output.number
            if not (
                0 <= number < len(seen)
                and name(self._updates.conversations[number]) == output.conversation
                and self._updates.updated_at[number] == output.updated_at
            ):
                wrong += 1
            elif not self._settles[number]:
                premature += 1
            elif seen[number]:
                repeated += 1
            else:
                seen[number] = 1
        missing = self.expected - sum(seen)
        return Verdict(self.expected, count, missing, premature, repeated, wrong)


class Name:
    """A conversation's number as the record's key."""

    def __call__(self, conversation: int) -> bytes:
        return b"w%d:%d" % (conversation % 50, 215_400_000_000_000 + conversation)
