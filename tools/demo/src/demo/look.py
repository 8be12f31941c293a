"""What lies in the CRMs' stores for each conversation: the truth that the demo is judged by."""

import httpx
from common.catalog import APPS

from demo.judge import CrmSeen
from demo.scenario import Scenario


def crm_records(scenario: Scenario, simulators: httpx.Client) -> dict[tuple[str, str], CrmSeen]:
    """Live notes and activities of the conversation's customer, by conversation and app."""
    seen: dict[tuple[str, str], CrmSeen] = {}
    for workspace in scenario.workspaces:
        for app in workspace.apps:
            store = simulators.get(f"crm/{APPS[app.app].crm}/accounts/{app.account}").json()
            for conversation in scenario.conversations:
                if conversation.workspace != workspace.id:
                    continue
                persons = {
                    person["id"]
                    for person in store["persons"]
                    if conversation.email in person["emails"]
                }
                seen[conversation.name, app.app] = CrmSeen(
                    notes=_bodies(store["notes"], persons, "body"),
                    activities=_bodies(store["activities"], persons, "subject"),
                )
    return seen


def _bodies(records: list[dict[str, object]], persons: set[str], field: str) -> tuple[str, ...]:
    return tuple(
        str(record[field])
        for record in records
        if not record["deleted"] and persons.intersection(record["person_ids"])  # type: ignore[arg-type]
    )
