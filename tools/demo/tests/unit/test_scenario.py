"""The scenario file holds what the demo promises to show."""

import pytest
from common.catalog import APPS
from demo.scenario import Scenario, Step, load
from pydantic import ValidationError


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load()


def test_at_least_sixteen_conversations_each_with_a_reason(scenario: Scenario) -> None:
    assert len(scenario.conversations) >= 16
    assert all(one.expect.why and one.expect.by_app() for one in scenario.conversations)


def test_every_conversation_is_judged_for_each_app_of_its_workspace(scenario: Scenario) -> None:
    for one in scenario.conversations:
        installed = {app.app for app in scenario.workspace(one.workspace).apps}
        assert set(one.expect.by_app()) == installed, one.name


def test_the_canary_is_said_and_expected_in_a_note(scenario: Scenario) -> None:
    said = [step.say or "" for one in scenario.conversations for step in one.steps]
    expected = [
        words
        for one in scenario.conversations
        for app in one.expect.by_app().values()
        for words in app.contains
    ]
    assert any(scenario.canary in words for words in said)
    assert scenario.canary in expected  # else finding it nowhere would prove nothing


def test_customers_are_told_apart_by_their_ids(scenario: Scenario) -> None:
    from demo.install import contact_id

    ids = [contact_id(one) for one in scenario.conversations]
    assert len(set(ids)) == len(ids)


def test_a_step_that_neither_says_nor_does_anything_is_refused() -> None:
    with pytest.raises(ValidationError, match="says something, is an action or presses"):
        Step(by="customer")


def test_a_workspace_where_something_is_said_before_the_install_is_installed_last(
    scenario: Scenario,
) -> None:
    early = {one.workspace for one in scenario.conversations if one.before_install}
    assert early
    ordered = [workspace.id for workspace in scenario.installed_in_order()]
    assert set(ordered[-len(early) :]) == early
    assert sorted(ordered) == sorted(workspace.id for workspace in scenario.workspaces)


def test_every_app_of_the_catalog_is_installed_and_has_something_to_show(
    scenario: Scenario,
) -> None:
    assert {app.app for one in scenario.workspaces for app in one.apps} == set(APPS)
    shown = {app for one in scenario.conversations for app in one.expect.by_app()}
    assert shown == set(APPS)
