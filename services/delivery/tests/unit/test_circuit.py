"""Circuits open fast, let one call find out, and one customer's trouble stays theirs."""

from dataclasses import replace

import pytest
from delivery.domain.circuit import (
    AT_LEAST,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    OF_ONE_CONNECTION,
    PROBE_MAX_S,
    STALE_AFTER_S,
    Circuit,
    failed,
    probing,
    succeeded,
    unheard,
)


def fail(circuit: Circuit, now: float, connection: str = "a", **how: object) -> Circuit:
    told: dict[str, object] = {"probe": False, "jitter": 1.0, **how}
    return failed(circuit, connection, now, **told)  # type: ignore[arg-type]


def opened(now: float = 0.0) -> Circuit:
    circuit = Circuit()
    for _ in range(AT_LEAST):
        circuit = fail(circuit, now)
    assert circuit.state == "open"
    return circuit


def test_it_opens_at_seven_failures_in_ten_and_not_before() -> None:
    circuit = Circuit()
    for call in range(AT_LEAST - 1):
        circuit = fail(circuit, call) if call >= 3 else succeeded(circuit, "a", call, probe=False)
        assert circuit.state == "closed"
    assert fail(circuit, 10).state == "open"
    assert succeeded(circuit, "a", 10, probe=False).state == "closed"


def test_time_outs_that_come_one_by_one_open_it_too() -> None:
    circuit = Circuit()
    for call in range(AT_LEAST):
        circuit = fail(circuit, call * 20.0)
    assert circuit.state == "open"


def test_what_happened_long_ago_does_not_count() -> None:
    circuit = Circuit()
    for call in range(AT_LEAST - 1):
        circuit = fail(circuit, call)
    assert fail(circuit, AT_LEAST + STALE_AFTER_S).state == "closed"


def test_one_call_probes_and_the_others_wait_for_it() -> None:
    circuit = opened()
    assert circuit.waits_s(FIRST_PAUSE_S - 1) == pytest.approx(1)
    assert circuit.waits_s(FIRST_PAUSE_S) == 0
    circuit = probing(circuit, FIRST_PAUSE_S)
    assert circuit.state == "half_open"
    assert circuit.waits_s(FIRST_PAUSE_S) > 0
    assert succeeded(circuit, "a", 6, probe=True).state == "closed"


def test_a_failed_probe_waits_twice_as_long_up_to_a_limit() -> None:
    circuit, now, pauses = opened(), 0.0, []
    for _ in range(10):
        pauses.append(circuit.waits_s(now))
        now += pauses[-1]
        circuit = fail(probing(circuit, now), now, probe=True)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_a_probe_that_is_never_heard_of_again_does_not_keep_it_shut() -> None:
    circuit = probing(opened(), FIRST_PAUSE_S)
    assert circuit.waits_s(FIRST_PAUSE_S + PROBE_MAX_S) == 0
    assert unheard(circuit, probe=True).waits_s(FIRST_PAUSE_S) == 0
    assert unheard(circuit, probe=False) == circuit


def test_answers_to_calls_sent_before_it_opened_change_nothing() -> None:
    circuit = probing(opened(), FIRST_PAUSE_S)
    assert fail(circuit, 6) == circuit
    assert succeeded(circuit, "a", 6, probe=False) == circuit


def test_a_time_that_the_other_side_names_is_believed_at_once() -> None:
    circuit = fail(Circuit(), 0, named_s=77.0)
    assert circuit.waits_s(0) == 77
    assert fail(circuit, 10, named_s=100.0).waits_s(10) == 100
    assert fail(circuit, 10, named_s=1.0).waits_s(10) == 67


def test_one_connection_alone_never_opens_the_vendors_circuit() -> None:
    vendor = Circuit(OF_ONE_CONNECTION)
    for call in range(1000):
        vendor = fail(vendor, call * 0.01, "noisy")
        if call % 100 == 0:
            vendor = succeeded(vendor, f"quiet{call}", call * 0.01, probe=False)
    assert vendor.state == "closed"


def test_many_connections_in_trouble_open_the_vendors_circuit_at_once() -> None:
    vendor = Circuit(OF_ONE_CONNECTION)
    for call in range(100):
        vendor = succeeded(vendor, f"c{call % 30}", 0, probe=False)
    calls = 0
    while vendor.state == "closed":
        vendor = fail(vendor, 1, f"c{calls % 30}")
        calls += 1
    assert calls <= 20
    assert replace(vendor, open_until=None).state == "closed"
