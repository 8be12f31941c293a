"""One installed app on the secure product, and somebody who talks."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.environment import local
from demo.install import Installer
from demo.scenario import InstalledApp, Workspace
from devstack.waiting import wait_until
from simulators.client import SimulatorControl
from simulators.crms import CRMS as SIMULATED

from securing.product import SecureProduct

WITHIN_S = 60.0
APP, WORKSPACE, ACCOUNT, TEAMMATE, CONTACT = "hubspot", "wk1", "42001", "5001", "1".zfill(24)


@dataclass
class Rig:
    product: SecureProduct
    control: SimulatorControl
    talks: list[str] = field(default_factory=list)

    def install(self) -> None:
        self.control.set_intercom_app(
            webhook_url=f"{local(self.product.ports.ingest)}/webhooks/intercom"
        )
        person = {"name": "Ada Bright", "email": "ada@customers.example"}
        self.control.create_workspace(
            WORKSPACE,
            admins=[{"id": TEAMMATE, "name": "Sam Rivera", "email": "sam@agents.example"}],
            contacts=[{"id": CONTACT, **person}],
        )
        self.control.create_account(APP, ACCOUNT, persons=[person])
        place = Workspace(
            id=WORKSPACE,
            name="Acme",
            region="US",
            timezone="UTC",
            teammates={TEAMMATE: "Sam Rivera"},
            apps=[InstalledApp(app=APP, account=ACCOUNT, sync=True, users=[TEAMMATE])],
        )
        installer = Installer(self.product.system)
        installer.connect_intercom(place)
        installer.install_apps(place)
        installer.close()
        # Intercom tells whole seconds: what is said in the second of the install counts as before.
        installed = int(time.time())
        self.until(lambda: int(time.time()) > installed)

    def say(self) -> None:
        self.talks.append(
            self.control.create_conversation(
                WORKSPACE,
                contacts=[CONTACT],
                author={"type": "user", "id": CONTACT},
                body="<p>Hello</p>",
                admin_assignee_id=TEAMMATE,
            )["conversation"]
        )

    def noted(self) -> bool:
        notes = self.control.notes(SIMULATED[APP].name, ACCOUNT)
        bodies = " ".join(str(note) for note in notes)
        return len(notes) == len(self.talks) and all(talk in bodies for talk in self.talks)

    def until(self, what: Callable[[], object]) -> None:
        wait_until(what, WITHIN_S)
