"""The control API: what it refuses, what it resets, and what people do in a CRM by hand."""

import httpx
import pytest
from simulators.client import ControlCallError, SimulatorControl

ADA = "67a0c0ffee00000000000001"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/intercom/workspaces", {"id": "a", "regoin": "EU"}, 400),
        ("POST", "/intercom/workspaces", {"id": "wk9demo1"}, 409),
        ("GET", "/intercom/workspaces/nope", None, 404),
        ("POST", "/intercom/conversations/wk9demo1/1/parts", {}, 404),
        ("POST", "/intercom/notifications/nope/redeliver", {}, 404),
        ("POST", "/crm/hubspot/accounts", {"id": "acme"}, 400),
        ("POST", "/crm/pipedrive/accounts", {"id": "x", "limits": {"plan": "gold"}}, 400),
        ("GET", "/crm/salesforce/accounts", None, 404),
        ("PATCH", "/knobs", {"latency_ms": {"acme": 1}}, 400),
        ("PATCH", "/knobs", {"rate_limit": False}, 400),
        ("DELETE", "/faults/f9", None, 404),
    ],
)
def test_wrong_calls_are_refused_with_a_sentence(
    control: SimulatorControl, workspace: str, method: str, path: str, body: object, status: int
) -> None:
    with pytest.raises(ControlCallError, match=rf"{status} .*error"):
        control.call(method, path, body)


def test_reset_forgets_everything(
    control: SimulatorControl, hubspot: httpx.Client, workspace: str, conversation: str
) -> None:
    control.add_fault("hubspot", "429", times=None)
    control.knobs(rate_limits=False)
    control.advance_clock(1000)
    control.reset()
    assert control.conversations() == []
    assert control.notifications() == []
    assert control.faults() == []
    assert control.journal() == []
    assert control.knobs()["rate_limits"] is True
    assert hubspot.get("/account-info/2026-09/details").status_code == 401


def test_knobs_are_merged_not_replaced(control: SimulatorControl) -> None:
    control.knobs(latency_ms={"hubspot": 5})
    knobs = control.knobs(latency_ms={"pipedrive": 7})
    turned = {name: ms for name, ms in knobs["latency_ms"].items() if ms}
    assert turned == {"hubspot": 5, "pipedrive": 7}


def test_rate_limits_can_be_switched_off(control: SimulatorControl, hubspot: httpx.Client) -> None:
    control.change_account("hubspot", "42001", limits={"requests_per_10s": 1})
    control.knobs(rate_limits=False)
    assert {hubspot.get("/account-info/2026-09/details").status_code for _ in range(3)} == {200}


def test_people_edit_and_delete_notes_by_hand(
    control: SimulatorControl, pipedrive: httpx.Client
) -> None:
    sent = {"content": "<p>ours</p>", "person_id": 17}
    note = str(pipedrive.post("/api/v1/notes", json=sent).json()["data"]["id"])
    edited = control.edit_note("pipedrive", "acme", note, prepend="<p>mine</p>")
    assert (edited["body"], edited["updated_by"]) == ("<p>mine</p><p>ours</p>", "hand")
    assert edited["body_sent"] == "<p>ours</p>"
    assert control.write_note("pipedrive", "acme", "17", "<p>x</p>")["created_by"] == "hand"
    assert control.delete_note("pipedrive", "acme", note)["deleted_by"] == "hand"
    assert len(control.notes("pipedrive", "acme")) == 1
    assert len(control.notes("pipedrive", "acme", deleted=True)) == 2
    assert pipedrive.get(f"/api/v1/notes/{note}").json()["data"]["active_flag"] is False
    assert control.account("pipedrive", "acme")["calls"] == {"note.create": 1}


def test_part_ids_rise_also_after_one_that_was_given(
    control: SimulatorControl, workspace: str, conversation: str
) -> None:
    author = {"type": "user", "id": ADA}
    given = control.reply(workspace, conversation, author, "a", id="123456")["part"]
    after = control.reply(workspace, conversation, author, "b")["part"]
    assert (given, after) == ("123456", "123457")


def test_ids_given_by_hand_are_not_given_out_again(control: SimulatorControl) -> None:
    control.create_account("pipedrive", "acme", persons=[{"id": "1", "name": "A"}])
    assert control.add_person("pipedrive", "acme", name="B")["id"] != "1"


def test_violations_of_simulators_that_do_not_look_are_not_an_empty_list() -> None:
    from simulators.testing import run_simulators

    with (
        run_simulators(validate=False) as blind,
        pytest.raises(ControlCallError, match="without --validate"),
    ):
        blind.control.violations()
