"""What a call meets before it is sent: circuits that it may find open, permits that it may lack."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from delivery.adapters.calls import Deadline
from delivery.adapters.guard import VendorGuard
from delivery.adapters.permits import Granted
from delivery.domain.circuit import AT_LEAST, FIRST_PAUSE_S
from delivery.domain.rates import Asked, Call, Counted, Permit, RateLimit, Scope, Told, Whose
from delivery.ports import GiveUp, Paused, RetryLater

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
LIMITS = (
    RateLimit("key", Scope.VENDOR_KEY, 100, timedelta(seconds=10)),
    RateLimit("calls", Scope.TENANT, 100, timedelta(seconds=10), {Call.SEARCH: 0}),
    RateLimit("grant", Scope.CONNECTION, 100, timedelta(seconds=10)),
)
ADA, BOB = Whose("42001", "9"), Whose("42002", "9")
SENT = timedelta(seconds=5)


@dataclass
class FakePermits:
    """Grants what it is told to, and keeps what was asked."""

    wait_s: float = 0.0
    refused_by: str | None = None
    holds: str | None = None  # a bucket whose turn comes before one may ask at the others
    asked: list[Sequence[Counted]] = field(default_factory=list)
    told: list[tuple[str, Told]] = field(default_factory=list)

    async def take(self, asked: Asked) -> Granted:
        self.asked.append(asked.counted)
        keys = tuple(key for key, _, _ in asked.counted)
        taken = (self.holds,) if self.holds in keys else keys
        permit = Permit(NOW, self.refused_by is None, self.refused_by, taken)
        return Granted(self.wait_s, permit)

    def tell(self, key: str, _limit: RateLimit, told: Told) -> None:
        self.told.append((key, told))


class Rig:
    def __init__(self, **permits: Any) -> None:
        self.seconds = 0.0
        self.permits = FakePermits(**permits)
        self.changes = 0
        fake: Any = self.permits
        self.guard = VendorGuard("hubspot", LIMITS, fake, lambda: 1.0)
        self.guard.monotonic = lambda: self.seconds
        self.guard.changed = self._changed

    def _changed(self) -> None:
        self.changes += 1

    async def call(
        self, end: BaseException | None = None, whose: Whose = ADA, call: Call = Call.PERSON
    ) -> None:
        turn = await self.guard.admit(whose, call, Deadline(SENT))
        self.guard.answered(turn, end)


async def test_a_call_counts_towards_each_limit_of_its_scope_that_counts_its_kind() -> None:
    rig = Rig()
    await rig.call()
    assert [key for key, _, _ in rig.permits.asked[0]] == [
        "hubspot/key",
        "hubspot/calls/42001",
        "hubspot/grant/42001/9",
    ]
    await rig.call(call=Call.SEARCH)
    assert [key for key, _, _ in rig.permits.asked[1]] == ["hubspot/key", "hubspot/grant/42001/9"]


async def test_limits_that_do_not_hold_it_back_are_asked_when_its_turn_has_come() -> None:
    rig = Rig(holds="hubspot/calls/42001")
    await rig.call()
    assert [[key for key, _, _ in asked] for asked in rig.permits.asked] == [
        ["hubspot/key", "hubspot/calls/42001", "hubspot/grant/42001/9"],
        ["hubspot/key", "hubspot/grant/42001/9"],
    ]


async def test_a_permit_in_hand_is_used_by_the_next_call_of_its_kind_and_only_once() -> None:
    rig = Rig()
    await rig.guard.reserve(ADA, Call.CREATE_NOTE)
    await rig.call(call=Call.PERSON)
    await rig.call(call=Call.CREATE_NOTE)
    assert len(rig.permits.asked) == 2
    await rig.call(call=Call.CREATE_NOTE)
    assert len(rig.permits.asked) == 3


async def test_one_attempts_permits_are_not_anothers() -> None:
    rig = Rig()
    await asyncio.gather(rig.guard.reserve(ADA, Call.CREATE_NOTE), rig.call(call=Call.CREATE_NOTE))
    assert len(rig.permits.asked) == 2


async def test_waiting_for_a_turn_takes_nothing_of_the_calls_deadline() -> None:
    rig = Rig(wait_s=0.02)
    deadline = Deadline(SENT)
    before = deadline.left()
    rig.guard.monotonic = asyncio.get_running_loop().time
    await rig.guard.admit(ADA, Call.PERSON, deadline)
    assert deadline.left() > before - timedelta(seconds=0.01)


@pytest.mark.parametrize(("limit", "everybody"), [("calls", False), ("key", True)])
async def test_a_turn_too_far_off_pauses_the_connection_or_everybody(
    limit: str, everybody: bool
) -> None:
    rig = Rig(wait_s=77, refused_by=limit)
    with pytest.raises(Paused) as paused:
        await rig.call()
    assert paused.value.reason == f"rate_limit.{limit}"
    assert paused.value.retry_after == timedelta(seconds=77)
    assert paused.value.whole_vendor is everybody


async def test_failures_open_the_connections_circuit_and_no_other() -> None:
    rig = Rig()
    for _ in range(AT_LEAST):
        await rig.call(RetryLater("http_500"))
    with pytest.raises(Paused) as paused:
        await rig.call()
    assert paused.value.reason == "circuit_open"
    with pytest.raises(Paused):
        await rig.guard.reserve(ADA, Call.CREATE_NOTE)
    await rig.call(whose=BOB)
    assert (rig.guard.vendor_state(), rig.changes) == ("closed", 0)
    rig.seconds = FIRST_PAUSE_S
    await rig.call()
    await rig.call()


@pytest.mark.parametrize(
    "end", [GiveUp("http_400"), RetryLater("http_429", timedelta(seconds=1)), None]
)
async def test_a_refusal_in_the_vendors_own_words_is_no_failure(end: Exception | None) -> None:
    rig = Rig()
    for _ in range(3 * AT_LEAST):
        await rig.call(end)
    await rig.call()


async def test_failures_of_many_connections_open_the_vendors_and_one_call_probes() -> None:
    rig = Rig()
    for number in range(AT_LEAST):
        await rig.call(RetryLater("timeout"), Whose(str(number % 5)))
    assert (rig.guard.vendor_state(), rig.changes) == ("open", 1)
    with pytest.raises(Paused):
        await rig.call(whose=BOB)
    rig.seconds = FIRST_PAUSE_S
    turn = await rig.guard.admit(BOB, Call.PERSON, Deadline(SENT))
    with pytest.raises(Paused):
        await rig.call(whose=ADA)
    rig.guard.answered(turn, None)
    assert (rig.guard.vendor_state(), rig.guard.vendor_waits_s()) == ("closed", 0)
    await rig.call(whose=ADA)


async def test_a_probe_that_was_cut_off_leaves_the_way_to_the_next_one() -> None:
    rig = Rig()
    for _ in range(AT_LEAST):
        await rig.call(RetryLater("timeout"))
    rig.seconds = FIRST_PAUSE_S
    await rig.call(asyncio.CancelledError())
    await rig.call()


async def test_a_time_that_an_answer_named_holds_the_connection_at_once() -> None:
    rig = Rig()
    await rig.call(RetryLater("http_503", timedelta(seconds=90)))
    with pytest.raises(Paused) as paused:
        await rig.call()
    assert paused.value.retry_after == timedelta(seconds=90)


async def test_what_an_answer_tells_reaches_the_limits_own_bucket() -> None:
    rig = Rig()
    told = Told("calls", amount=190, remaining=100)
    rig.guard.told(ADA, [told, Told("unheard_of", remaining=0)])
    assert rig.permits.told == [("hubspot/calls/42001", told)]
