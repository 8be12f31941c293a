"""`lull replay`: the count first, then nothing without consent, then all that was counted."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
PATH = "/v1/replays"
UNTIL = "2026-11-22T12:00:00+00:00"
COUNTED = {
    "count": 1203,
    "until": UNTIL,
    "by": [
        {
            "app": "hubspot",
            "outcome": "failed",
            "reason": "http_400",
            "count": 1200,
            "sentence": "Refused for good.",
        },
        {
            "app": "pipedrive",
            "outcome": "no_person",
            "reason": None,
            "count": 3,
            "sentence": "Nobody matches.",
        },
    ],
}


@pytest.fixture
def replay(lull_here: Run, services: Any) -> Run:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"LULL_DELIVERY_URL": services.url, "LULL_DELIVERY_OPERATOR_TOKEN": "hush-hush"}
        return lull_here("replay", *arguments, **given | variables)

    return run


def test_the_count_is_shown_first_and_a_dry_run_is_no_more(replay: Run, services: Any) -> None:
    services.answer(PATH, COUNTED)
    done = replay("--reason", "http_400", "--since", "2026-11-22T09:00:00+01:00", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "    1,200  hubspot  failed (http_400)  Refused for good.",
        "        3  pipedrive  no_person  Nobody matches.",
        "    1,203  in all",
        "Nothing was changed (--dry-run).",
    ]
    (asked,) = services.asked
    assert asked["authorization"] == "Bearer hush-hush"
    assert (asked["body"]["dry_run"], asked["body"]["since"]) == (True, "2026-11-22T09:00:00+01:00")


def test_without_a_terminal_it_wants_yes(replay: Run, services: Any) -> None:
    services.answer(PATH, COUNTED)
    done = replay("--everything")
    assert (done.returncode, len(services.asked)) == (2, 1)
    assert "1,203  in all" in done.stdout
    assert done.stderr == "Not confirmed: this is no terminal, so say --yes.\n"


def test_with_yes_it_asks_page_by_page_for_what_was_counted(replay: Run, services: Any) -> None:
    services.answer(
        PATH,
        COUNTED,
        {"asked": 500, "already_open": 0, "until": UNTIL, "after": [500, "hubspot"]},
        {"asked": 701, "already_open": 2, "until": UNTIL, "after": None},
    )
    done = replay(
        "-w", "wk1", "--app", "hubspot", "--app", "pipedrive", "--outcome", "failed", "--yes"
    )
    assert (done.returncode, done.stderr) == (0, "")  # no bar where nobody looks
    assert done.stdout.splitlines()[-3:-1] == [
        "Asked again for 1,201.",
        "2 needed no replay: the same is being asked for already.",
    ]
    count, first, second = (asked["body"] for asked in services.asked)
    selection = {
        "workspace_id": "wk1",
        "conversation_id": None,
        "apps": ["hubspot", "pipedrive"],
        "outcomes": ["failed"],
        "reason": None,
        "since": None,
        "everything": False,
    }
    assert count == selection | {"until": None, "dry_run": True}
    assert first == selection | {"until": UNTIL, "dry_run": False, "after": None}
    assert second == first | {"after": [500, "hubspot"]}


def test_nothing_to_replay_is_no_failure(replay: Run, services: Any) -> None:
    services.answer(PATH, {"count": 0, "by": [], "until": UNTIL})
    done = replay("--everything")
    assert (done.returncode, done.stdout) == (0, "Nothing to replay.\n")


@pytest.mark.parametrize(
    ("answer", "status", "code", "says"),
    [
        ({"title": "name a workspace"}, 400, 1, "delivery refused (400): name a workspace"),
        ({"title": "the operator's token is needed"}, 401, 1, "the operator's token is needed"),
        ({"title": "the ledger cannot be reached now"}, 503, 3, "cannot be reached now"),
        (b"<html>gateway</html>", 502, 1, "is not delivery (HTTP 502). Is LULL_DELIVERY_URL"),
    ],
)
def test_a_refusal_is_told_in_one_line(
    replay: Run, services: Any, answer: Any, status: int, code: int, says: str
) -> None:
    services.answer(PATH, answer, status=status)
    done = replay("--everything")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1)
    assert says in done.stderr


def test_what_is_wrong_on_the_command_line_says_what_would_be_right(replay: Run) -> None:
    wrong = {
        ("--app", "fax"): "one of hubspot",
        ("--outcome", "gone"): "one of delivered",
        ("--since", "yesterday"): "an instant with its offset, such as",
        ("--until", "2026-11-22T10:00:00"): "an instant with its offset, such as",
    }
    for arguments, says in wrong.items():
        done = replay(*arguments)
        assert (done.returncode, says in " ".join(done.stderr.split())) == (2, True), done.stderr
    done = replay("--everything", LULL_DELIVERY_URL="http://127.0.0.1:9")
    assert (done.returncode, "did not answer at http://127.0.0.1:9" in done.stderr) == (3, True)


def test_it_needs_the_operators_credential(lull_here: Run) -> None:
    done = lull_here("replay", "--everything")
    assert (done.returncode, "set LULL_DELIVERY_OPERATOR_TOKEN" in done.stderr) == (2, True)
