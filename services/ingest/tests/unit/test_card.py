"""What the inbox card shows, from what delivery and debounce tell."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.catalog import APPS, ActionKind
from ingest.domain.action_card import Asked, done_card, due_choices, first_asked, form_card
from ingest.domain.canvas_request import Contact, Drawing
from ingest.domain.card import Pending, card
from ingest.domain.standing import SYNC, AppStanding, End, Ends

NOW = datetime(2026, 11, 26, 13, 0, tzinfo=UTC)
DRAWING = Drawing("drawn", int(NOW.timestamp()))
ADA = Contact("c1", "Ada Example", "ada@example.com", "+4315125000")


def standing(app: str = "hubspot", **told: Any) -> AppStanding:
    person = {"state": "matched", "id": "77", "url": "https://crm.example/77"}
    offered = [*(kind for kind in ActionKind if kind in APPS[app].actions), SYNC]
    usual = {"app": app, "actor": "active", "person": person, "actions": offered}
    return AppStanding.model_validate(usual | told)


def drawn(*standings: AppStanding, silent: tuple[str, ...] = (), **pending: Any) -> dict[str, Any]:
    whole: dict[str, Any] = card(standings, silent, Pending(**pending), DRAWING, NOW)["canvas"]
    return whole


def texts(canvas: dict[str, Any]) -> str:
    return "\n".join(one["text"] for one in canvas["content"]["components"] if "text" in one)


def buttons(canvas: dict[str, Any]) -> list[str]:
    return [one["id"] for one in canvas["content"]["components"] if one["type"] == "button"]


def fields(canvas: dict[str, Any]) -> dict[str, Any]:
    kinds = ("input", "textarea", "dropdown")
    return {one["id"]: one for one in canvas["content"]["components"] if one["type"] in kinds}


def test_a_matched_person_is_linked_and_gets_every_action_that_goes_on_them() -> None:
    canvas = drawn(standing())
    assert "One contact matches. [Open in HubSpot](https://crm.example/77)" in texts(canvas)
    assert buttons(canvas) == [
        "open:hubspot:deal",
        "open:hubspot:task",
        "open:hubspot:note",
        "do:hubspot:sync",
        "refresh",
    ]
    assert canvas["stored_data"]["drawing"]["persons"] == {"hubspot": "77"}


@pytest.mark.parametrize(
    ("person", "sentence", "offered"),
    [
        ({"state": "none"}, "No contact matches.", ["person", "lead", "sync"]),
        (
            {"state": "none", "reason": "no_address"},
            "neither an e-mail address nor a phone",
            ["person", "lead", "sync"],
        ),
        ({"state": "several"}, "Several contacts match", ["lead", "sync"]),
        (
            {"state": "unknown", "reason": "slow"},
            "still looking for the contact",
            ["person", "lead", "sync"],
        ),
        (
            {"state": "unknown", "reason": "circuit_open"},
            "cannot be told now",
            ["person", "lead", "sync"],
        ),
        (
            {"state": "lead", "id": "lead.5"},
            "One lead matches.",
            ["person", "task", "note", "sync"],
        ),
    ],
)
def test_what_is_known_of_the_person_decides_what_is_offered(
    person: dict[str, str], sentence: str, offered: list[str]
) -> None:
    canvas = drawn(standing("zendesk-sell", person=person))
    assert sentence in texts(canvas)
    assert [one.rpartition(":")[2] for one in buttons(canvas)[:-1]] == offered


@pytest.mark.parametrize(
    ("actor", "why"), [("paused", "has paused you"), ("not_listed", "not a user of HubSpot")]
)
def test_who_may_not_act_sees_why_and_no_button(actor: str, why: str) -> None:
    canvas = drawn(standing(actor=actor))
    assert why in texts(canvas)
    assert buttons(canvas) == ["refresh"]


def test_the_last_sync_and_what_is_pending_are_told() -> None:
    last = {"outcome": "delivered", "sentence": "Written.", "at": "2026-11-26T12:30:00Z"}
    waiting = {"for": "retry", "until": "2026-11-27T01:02:00+00:00", "reason": "crm_500"}
    shown = texts(drawn(standing(last=last, waiting=waiting), due_at=NOW + timedelta(minutes=15)))
    assert "Last sync 12:30 UTC: Written." in shown
    assert "next try is due (until 2026-11-27 01:02 UTC)" in shown
    assert "A sync is pending: due at 13:15 UTC" in shown


def test_what_debounce_does_not_tell_is_not_guessed() -> None:
    assert "No sync is pending." in texts(drawn(standing()))
    assert "cannot be told now" in texts(drawn(standing(), known=False))


def test_a_crm_whose_delivery_is_away_is_named_beside_the_others() -> None:
    shown = texts(drawn(standing(), silent=("keap",)))
    assert "No answer for: Keap." in shown
    assert "One contact matches." in shown


def test_nobody_answers_and_nothing_installed_are_told_apart() -> None:
    assert "cannot be reached" in texts(drawn(silent=("keap", "hubspot")))
    assert "None of our apps is installed" in texts(drawn())


@pytest.mark.parametrize("app", list(APPS))
def test_each_form_has_defaults_of_the_contact(app: str) -> None:
    for kind in APPS[app].actions:
        canvas = form_card(first_asked(app, kind, DRAWING, ADA))["canvas"]
        shown = fields(canvas)
        if kind in (ActionKind.PERSON, ActionKind.LEAD):
            assert shown["name"]["value"] == "Ada Example"
            assert shown["email"]["value"] == "ada@example.com"
        if kind is not ActionKind.NOTE and "title" in shown:
            assert "Ada Example" in shown["title"]["value"]
        assert f"do:{app}:{kind}" in buttons(canvas)


def test_a_due_time_is_one_of_the_choices_counted_from_the_drawing() -> None:
    field = fields(form_card(first_asked("hubspot", "task", DRAWING, ADA))["canvas"])["due_at"]
    assert field["value"] == "2026-11-27T13:00:00+00:00"
    assert field["value"] in [option["id"] for option in field["options"]]
    assert 2 <= len(field["options"]) <= 10


TYPED = {"title": "Call [her](x)", "text": "soon", "due_at": due_choices(DRAWING.at)["In a week"]}


@pytest.mark.parametrize(
    "end",
    [
        End(state=Ends.WORKING),
        End(state=Ends.UNKNOWN, sentence="Not known."),
        End(state=Ends.AWAY, sentence="Nothing was done."),
        End(state=Ends.FAILED, sentence="HubSpot refused it."),
        End(state=Ends.INVALID, errors={"title": "at most 200 characters"}),
    ],
    ids=lambda end: end.state,
)
def test_until_it_is_done_the_form_keeps_what_was_typed_and_its_id(end: End) -> None:
    asked = Asked("hubspot", "task", DRAWING, TYPED)
    canvas = form_card(asked, end)["canvas"]
    assert {name: one.get("value") for name, one in fields(canvas).items()} == TYPED
    assert canvas["stored_data"] == DRAWING.stored()
    assert "do:hubspot:task" in buttons(canvas)
    said = {Ends.WORKING: "still at it", Ends.INVALID: "need another look"}
    assert said.get(end.state, end.sentence) in texts(canvas)


def test_a_wrong_field_is_marked_and_says_what_would_be_right() -> None:
    asked = Asked("hubspot", "task", DRAWING, TYPED)
    wrong = End(state=Ends.INVALID, errors={"title": "at most 200 characters"})
    canvas = form_card(asked, wrong)["canvas"]
    assert fields(canvas)["title"]["save_state"] == "failed"
    assert fields(canvas)["text"]["error"] is False
    assert "Title: at most 200 characters" in texts(canvas)


def test_who_is_refused_sees_why_and_cannot_press() -> None:
    refused = End(state=Ends.REFUSED, sentence="You are paused.")
    canvas = form_card(Asked("hubspot", "task", DRAWING, TYPED), refused)["canvas"]
    assert "You are paused." in texts(canvas)
    assert buttons(canvas) == ["refresh"]


def test_what_is_done_is_linked_and_holds_nothing_that_was_typed() -> None:
    done = End(state=Ends.DONE, url="https://crm.example/a(b)")
    canvas = done_card(Asked("keap", "task", DRAWING, TYPED), done)
    assert "[Open in Keap](https://crm.example/a%28b%29)" in texts(canvas["canvas"])
    assert not any(typed in json.dumps(canvas) for typed in TYPED.values())


def test_the_same_form_is_the_same_action_and_another_drawing_is_not() -> None:
    asked = Asked("hubspot", "task", DRAWING, TYPED)
    assert asked.action_id == Asked("hubspot", "task", DRAWING, {}).action_id
    assert asked.action_id != Asked("keap", "task", DRAWING, TYPED).action_id
    assert asked.action_id != Asked("hubspot", "task", Drawing("other", 0), TYPED).action_id
