"""The rule against the judge, on any history of one partition that Hypothesis thinks of.

The judge knows no map, no prefix and no commit: it looks at one conversation after another.
"""

from debounce.domain.quiet import Quiet, Settled
from debounce.judge import LoggedSettled, LoggedUpdate, judge
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

QUIET_MS = 100
T0 = 1_790_000_000_000


class OnePartition(RuleBasedStateMachine):
    """Its log, the rule that reads it, and what it published; crashes start from the commit."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = T0
        self.log: list[LoggedUpdate] = []
        self.refused: set[int] = set()
        self.committed = 0
        self.crashes = 0
        self.published: list[LoggedSettled] = []
        self.quiet = Quiet(QUIET_MS)

    @rule(
        passed_ms=st.sampled_from([0, 1, QUIET_MS - 1, QUIET_MS, QUIET_MS + 1]),
        conversation=st.integers(0, 2),
        second=st.integers(-2, 70),
        part=st.integers(0, 2),
    )
    def somebody_speaks(self, passed_ms: int, conversation: int, second: int, part: int) -> None:
        self.append(passed_ms, f"w:{conversation}", T0 // 1000 + second, part)

    @rule(passed_ms=st.integers(0, 2 * QUIET_MS))
    def a_tick(self, passed_ms: int) -> None:
        self.append(passed_ms, None)

    @rule()
    def an_unusable_record(self) -> None:
        self.refused.add(len(self.log))
        self.append(1, None)

    @precondition(lambda self: any(self.quiet.in_flight()) or self.refused)
    @rule(count=st.integers(1, 3))
    def kafka_acknowledges(self, count: int) -> None:
        in_flight = [one.offset for one in self.quiet.in_flight()]
        self.quiet.acknowledge([*in_flight[:count], *sorted(self.refused)[:count]])

    @rule()
    def commit(self) -> None:
        offset = self.quiet.commit_offset()
        assert offset is None or offset >= self.committed
        self.committed = self.committed if offset is None else offset

    @rule()
    def crash(self) -> None:
        """What it had published may be published again; what it had not is not lost."""
        self.crashes += 1
        self.quiet = Quiet(QUIET_MS)
        for record in self.log[self.committed :]:
            self.read(record)

    def append(
        self, passed_ms: int, conversation: str | None, updated_at: int = 0, part_id: int = 0
    ) -> None:
        self.now_ms += passed_ms
        record = LoggedUpdate(0, len(self.log), self.now_ms, conversation, updated_at, part_id)
        self.log.append(record)
        self.read(record)

    def read(self, record: LoggedUpdate) -> None:
        updates, unusable = [], []
        if record.conversation is not None:
            conversation = record.conversation.encode()
            updates.append((record.offset, conversation, record.updated_at, record.part_id))
        elif record.offset in self.refused:
            unusable.append(record.offset)
        settled = self.quiet.read(record.offset + 1, record.appended_ms, updates, unusable)
        self.published += [as_logged(one) for one in settled]

    @invariant()
    def the_judge_finds_nothing_missing_or_early(self) -> None:
        verdict = judge(self.log, self.published, QUIET_MS)
        assert verdict.right, verdict
        assert verdict.most_repeats_of_one <= self.crashes
        assert self.crashes or verdict.exact


def as_logged(one: Settled) -> LoggedSettled:
    return LoggedSettled(0, one.offset, one.conversation.decode(), one.updated_at, one.part_id)


TestOnePartition = OnePartition.TestCase
TestOnePartition.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
