"""The scenario's conversations, played through real signed webhooks, a round at a time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from common.catalog import APPS

from demo.inbox_card import InboxCard, NotShown
from demo.install import contact_id
from demo.scenario import Action, Conversation, Press, Scenario, Step

ANSWERED_WITHIN_S = 60.0


@dataclass(slots=True)
class Play:
    """What has been said so far."""

    scenario: Scenario
    simulators: httpx.Client  # its control API
    ingest: httpx.Client  # with an action token
    outcomes_of: Callable[[str], int]  # how many outcomes a conversation has so far
    ids: dict[str, str] = field(default_factory=dict)  # conversation's name -> Intercom's id
    messages: int = 0
    actions: int = 0

    def before_install(self, workspace_id: str) -> None:
        for conversation in self.scenario.conversations:
            if conversation.workspace == workspace_id:
                for step in conversation.before_install:
                    self._do(conversation, step)

    def round(self, number: int) -> None:
        """The n-th step of every conversation that has one and need not wait for outcomes."""
        for conversation in self.scenario.conversations:
            if number < len(conversation.steps):
                step = conversation.steps[number]
                if not step.after_outcomes:
                    self._do(conversation, step)

    def late_steps(self) -> None:
        """The steps that wait for outcomes, once those have been reported."""
        for conversation in self.scenario.conversations:
            for step in conversation.steps:
                if step.after_outcomes:
                    self._wait_for_outcomes(conversation, step.after_outcomes)
                    self._do(conversation, step)

    def _do(self, conversation: Conversation, step: Step) -> None:
        if step.action is not None:
            self._act(conversation, step.by, step.action)
        elif step.press is not None:
            self._press(conversation, step.by, step.press)
        elif conversation.name in self.ids:
            self._say_more(conversation, step)
        else:
            self._open(conversation, step)

    def _open(self, conversation: Conversation, step: Step) -> None:
        opening: dict[str, Any] = {"author": _author(conversation, step), "body": _html(step)}
        if step.by == "campaign":
            opening["delivered_as"] = "campaigns_initiated"
        elif step.by == "bot":
            opening["delivered_as"] = "operator_initiated"
        posted = self._post(
            "intercom/conversations",
            {
                "workspace": conversation.workspace,
                "contacts": [contact_id(conversation)],
                "opening": opening,
                "admin_assignee_id": conversation.assignee,
                "team_assignee_id": conversation.team,
                "deliver": step.deliver,
                "hold": step.hold,
            },
        )
        self.ids[conversation.name] = posted["conversation"]
        self.messages += 1

    def _say_more(self, conversation: Conversation, step: Step) -> None:
        part: dict[str, Any] = {
            "part_type": step.type,
            "author": _author(conversation, step),
            "body": _html(step),
            "deliver": step.deliver,
            "hold": step.hold,
        }
        if step.assign:
            part["assign"] = {"admin": step.assign}
        self._post(
            f"intercom/conversations/{conversation.workspace}/{self.ids[conversation.name]}/parts",
            part,
        )
        self.messages += 1
        if step.release:
            self._post("intercom/release", {"newest_first": True})

    def _act(self, conversation: Conversation, actor: str, action: Action) -> None:
        """What another front end does after it has created something in the CRM."""
        account = next(
            app.account
            for app in self.scenario.workspace(conversation.workspace).apps
            if app.app == action.app
        )
        store = self.simulators.get(f"crm/{APPS[action.app].crm}/accounts/{account}").json()
        person = next(one for one in store["persons"] if conversation.email in one["emails"])
        answer = self.ingest.post(
            "/v1/actions",
            json={
                "action_id": f"demo-{self.ids[conversation.name]}-{self.actions}",
                "workspace_id": conversation.workspace,
                "conversation_id": self.ids[conversation.name],
                "app": action.app,
                "kind": action.kind,
                "actor_id": actor,
                "person": {"kind": "contact", "id": person["id"]},
            },
        )
        answer.raise_for_status()
        self.actions += 1

    def _press(self, conversation: Conversation, teammate: str, press: Press) -> None:
        """In the inbox, as Intercom shows and sends it; again while something is away or slow."""
        place = f"intercom/conversations/{conversation.workspace}/{self.ids[conversation.name]}"

        def ask(pressed: dict[str, Any] | None) -> dict[str, Any]:
            return self._post(f"{place}/canvas", {"admin": teammate, "pressed": pressed})

        until = time.monotonic() + ANSWERED_WITHIN_S
        while time.monotonic() < until:
            try:
                card = InboxCard(ask)
                card.press(f"open:{press.app}:{press.kind}")
                break
            except NotShown:
                time.sleep(0.1)
        card.fill(title=press.says, text=press.says)
        card.press_until_done(f"do:{press.app}:{press.kind}", ANSWERED_WITHIN_S)
        self.actions += 1

    def _wait_for_outcomes(self, conversation: Conversation, count: int) -> None:
        until = time.monotonic() + ANSWERED_WITHIN_S
        while self.outcomes_of(self.ids[conversation.name]) < count and time.monotonic() < until:
            time.sleep(0.1)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.simulators.post(path, json=body)
        answer.raise_for_status()
        posted: dict[str, Any] = answer.json()
        return posted


def _author(conversation: Conversation, step: Step) -> dict[str, str]:
    if step.by == "customer":
        return {"type": "user", "id": contact_id(conversation)}
    if step.by == "bot":
        return {"type": "bot", "id": "5000", "name": "Fin"}
    if step.by == "campaign":  # campaigns go out in a teammate's name
        return {"type": "admin", "id": conversation.assignee or "5001"}
    return {"type": "admin", "id": step.by}


def _html(step: Step) -> str:
    said = (step.say or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<p>{said}</p>"
