"""Workspaces in which somebody always begins to write: load for faults and changes under it."""

import threading
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Final

from simulators.client import SimulatorControl

from demo.install import Installer, intercom_app
from demo.scenario import InstalledApp, Workspace
from demo.system import System

TEAMMATE: Final = "5001"


class Talk:
    """On a thread of its own between `start` and `stop`.

    Args:
        system: it runs, and has no workspaces of these names yet.
        accounts: of each workspace, the apps that are installed there and their accounts.
        every_s: pause between two conversations, which the workspaces begin in turn.

    """

    def __init__(
        self,
        system: System,
        control: SimulatorControl,
        accounts: Sequence[Mapping[str, str]],
        *,
        every_s: float,
    ) -> None:
        self.workspaces = [_workspace(number, apps) for number, apps in enumerate(accounts)]
        self.begun: list[tuple[Workspace, str]] = []
        self._system = system
        self._control = control
        self._every_s = every_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="talk")

    def start(self) -> None:
        """Build the world, install our apps in it, and begin."""
        self.listen()
        for number, workspace in enumerate(self.workspaces):
            self._build(number, workspace)
        installer = Installer(self._system)
        for workspace in self.workspaces:
            installer.connect_intercom(workspace)
            installer.install_apps(workspace)
        installer.close()
        # Intercom tells whole seconds: the second of the install still counts as before it.
        time.sleep(1)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def listen(self) -> None:
        """As the developer hub has it where the webhook is switched on."""
        self._control.set_intercom_app(**intercom_app(self._system.ingest))

    def connect(self, app: str) -> None:
        """In the first workspace, as its admin does in the console, again if need be."""
        place = self.workspaces[0]
        only = [one for one in place.apps if one.app == app]
        installer = Installer(self._system)
        installer.install_apps(place.model_copy(update={"apps": only}))
        installer.close()

    def missing(self) -> list[str]:
        """What is not in an account exactly once, of all conversations so far."""
        bodies = {
            app.account: [str(note["body"]) for note in self._control.notes(app.app, app.account)]
            for workspace in self.workspaces
            for app in workspace.apps
        }
        return [
            f"{talk} in {app.account}"
            for workspace, talk in list(self.begun)
            for app in workspace.apps
            if sum(talk in body for body in bodies[app.account]) != 1
        ]

    def _build(self, number: int, workspace: Workspace) -> None:
        person = {"name": "Ada Bright", "email": f"ada@customers{number}.example"}
        self._control.create_workspace(
            workspace.id,
            admins=[{"id": TEAMMATE, "name": "Sam", "email": f"sam@agents{number}.example"}],
            contacts=[{"id": _contact(number), **person}],
        )
        for app in workspace.apps:
            self._control.create_account(app.app, app.account, persons=[person])

    def _run(self) -> None:
        for number, workspace in cycle(enumerate(self.workspaces)):
            if self._ended.wait(self._every_s):
                return
            begun = self._control.create_conversation(
                workspace.id,
                contacts=[_contact(number)],
                author={"type": "user", "id": _contact(number)},
                body="<p>Hello</p>",
                admin_assignee_id=TEAMMATE,
            )
            self.begun.append((workspace, str(begun["conversation"])))


def _contact(number: int) -> str:
    return f"{number:024}"


def _workspace(number: int, accounts: Mapping[str, str]) -> Workspace:
    return Workspace(
        id=f"wk{number}",
        name="Somebody",
        region="US",
        timezone="UTC",
        teammates={TEAMMATE: "Sam"},
        apps=[
            InstalledApp(app=app, account=account, sync=True, users=[TEAMMATE])
            for app, account in accounts.items()
        ],
    )
