"""`lull why` and `lull history`: what the services know, in plain words."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
PENDING = {
    "pending": False,
    "caught_up": True,
    "owner": "debounce-0",
}
ENTRY: dict[str, Any] = {
    "app": "hubspot",
    "crm": "hubspot",
    "crm_account": "42001",
    "person_id": "501",
    "note_id": "77",
    "activity_id": None,
    "last": {
        "outcome": "failed",
        "sentence": "Refused for good.",
        "reason": "http_400",
        "triggers": ["quiet"],
        "updated_at": 1795000000,
        "part_id": 7,
        "decided_at": "2026-11-22T12:00:00.123456+00:00",
    },
    "open": [],
    "waiting": None,
}


@pytest.fixture
def asked(lull_here: Run, services: Any) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return lull_here(*arguments, LULL_DELIVERY_URL=services.url, LULL_DEBOUNCE_URL=services.url)

    return run


def test_why_tells_what_debounce_and_delivery_know(asked: Run, services: Any) -> None:
    waits = ENTRY | {
        "app": "pipedrive",
        "note_id": None,
        "person_id": None,
        "last": None,
        "open": [{"trigger": "quiet", "asked_at": "2026-11-22T12:00:00+00:00"}],
        "waiting": {
            "for": "retry",
            "reason": "http_503",
            "until": "2026-11-22T13:00:00+00:00",
            "failed_attempts": 2,
        },
    }
    due = {"pending": True, "due_at": "2026-11-22T12:15:00+00:00", "updated_at": "12:00"}
    services.answer("/v1/pending/wk1/1", PENDING | due)
    services.answer("/v1/deliveries/wk1/1", {"deliveries": [ENTRY, waits]})
    waits_till = "2026-11-22T13:00:00+00:00; reason: http_503; 2 failed so far."
    done = asked("why", "wk1", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "It waits for quiet and is due at 2026-11-22T12:15:00+00:00 (last update 12:00).",
        "HubSpot (account 42001):",
        "  Refused for good. Reason: http_400. (failed, 2026-11-22T12:00:00.123456+00:00)",
        "  In the CRM: person 501, note 77.",
        "Pipedrive (account 42001):",
        "  Asked for (quiet), and waits to be tried again after a failure, till " + waits_till,
    ]


def test_why_says_so_where_nothing_was_asked(asked: Run, services: Any) -> None:
    services.answer("/v1/pending/wk1/1", PENDING)
    done = asked("why", "wk1", "1")
    assert done.returncode == 0
    assert done.stdout.startswith("It does not wait for quiet.\nNothing was asked for it")
    services.answer("/v1/pending/wk1/1", PENDING | {"pending": None})
    assert "name it in LULL_DEBOUNCE_URL too" in asked("why", "wk1", "1").stdout


def test_history_goes_through_the_pages_up_to_its_limit(asked: Run, services: Any) -> None:
    line = ENTRY | {"conversation_id": "12"}
    services.answer(
        "/v1/deliveries/wk1",
        {"deliveries": [line] * 500, "next_cursor": "abc"},
        {"deliveries": [line] * 100, "next_cursor": "def"},
    )
    done = asked("history", "wk1", "--outcome", "failed", "--limit", "600")
    assert len(done.stdout.splitlines()) == 600
    assert done.stdout.splitlines()[0] == "2026-11-22T12:00:00Z  12  hubspot  failed (http_400)"
    assert "There is more" in done.stderr
    first, second = (one["query"] for one in services.asked)
    assert first == {"outcome": "failed", "limit": "500"}
    assert second == {"outcome": "failed", "limit": "100", "cursor": "abc"}


def test_an_empty_history_says_so(asked: Run, services: Any) -> None:
    services.answer("/v1/deliveries/wk1", {"deliveries": [], "next_cursor": None})
    done = asked("history", "wk1")
    assert (done.returncode, done.stdout) == (0, "")
    assert "Nothing ended" in done.stderr
