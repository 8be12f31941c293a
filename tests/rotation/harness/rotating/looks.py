"""What callers see all the time, each with the secret that is theirs just then."""

import re
import threading
from collections.abc import Callable

import httpx
from demo.environment import local
from demo.inbox_card import InboxCard, NotShown
from demo.talk import TEAMMATE, Talk
from devstack.waiting import wait_until
from simulators.client import SimulatorControl

from rotating.product import RotatingProduct

LOOK_EVERY_S = 0.3
# Intercom's inbox waits for a second or so, in which a busy machine is not always done.
CARD_WITHIN_S = 20.0


class Looks:
    def __init__(self, product: RotatingProduct, control: SimulatorControl, talk: Talk) -> None:
        self.operator = self.delivery_operator = product.tokens.operator
        self.action = product.tokens.action
        self.refused: list[str] = []
        self.rounds = 0
        self._product = product
        self._control = control
        self._talk = talk
        self._browser = httpx.Client(
            base_url=local(product.ports.settings),
            headers={"Accept": "text/html"},
            timeout=20,
            trust_env=False,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="looks")

    def start(self) -> None:
        self.sign_in()
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._browser.close()

    def sign_in(self) -> None:
        """As the admin, through Intercom, with the app's secret."""
        origin = {"Origin": local(self._product.ports.settings), "Sec-Fetch-Site": "same-origin"}
        leaving = self._browser.post("/sign-in", data={"purpose": "sign_in"}, headers=origin)
        found = re.search(r'class="button primary" href="([^"]+)"', leaving.text)
        assert found, leaving.text
        url = httpx.URL(found[1].replace("&amp;", "&"))
        choice = url.copy_merge_params({"account": "wk0", "user": TEAMMATE})
        back = self._browser.get(choice).headers["location"]
        came = self._browser.get(back)
        assert came.status_code == 303, came.text

    def operators(self, token: str) -> int:
        url = f"{local(self._product.ports.settings)}/v1/workspaces"
        return status_of("GET", url, token)

    def replayers(self, token: str) -> int:
        url = f"{local(self._product.ports.delivery)}/v1/replays"
        return status_of("POST", url, token, {"dry_run": True, "everything": True})

    def front_ends(self, token: str) -> int:
        url = f"{local(self._product.ports.ingest)}/v1/actions"
        return status_of("POST", url, token, {})

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self.rounds += 1
            for name, ask in self._asked().items():
                try:
                    said = ask()
                except httpx.TransportError:
                    continue  # to a replica that was about to end; nobody was refused
                except Exception as error:  # noqa: BLE001 - told by the test
                    said = f"{type(error).__name__}: {error}"
                if said:
                    self.refused.append(f"{name}: {said}")

    def _asked(self) -> dict[str, Callable[[], object]]:
        """Each answers with what was wrong."""
        return {
            "operator": lambda: (code := self.operators(self.operator)) != 200 and code,
            "replay": lambda: (
                (code := self.replayers(self.delivery_operator)) in (401, 403, 500, 502, 503)
                and code
            ),
            "action": lambda: (code := self.front_ends(self.action)) != 422 and code,
            "card": self._card,
            "card, refused": self._ingests,
            "console": self._preview,
        }

    def _card(self) -> str:
        if not self._talk.begun:
            return ""
        _, talk = self._talk.begun[-1]

        def shows() -> bool:
            try:
                card = InboxCard(
                    lambda pressed: self._control.canvas("wk0", talk, TEAMMATE, pressed)
                )
            except NotShown:
                return False
            return "open:hubspot:note" in card.buttons()

        wait_until(shows, CARD_WITHIN_S, "the card")
        return ""

    def _ingests(self) -> list[int]:
        """Whether delivery refuses the credential that some ingest brings just then."""
        url = f"{local(self._product.ports.delivery)}/v1/cards"
        brought = {
            variables["LULL_DELIVERY_ACTIONS_TOKEN"].partition(",")[0]
            for name, variables in self._product.started_with.items()
            if self._product.replicas.by_name[name].service == "ingest"
        }
        return [code for token in brought if (code := status_of("POST", url, token, {})) == 401]

    def _preview(self) -> str:
        if not self._talk.begun:
            return ""
        _, talk = self._talk.begun[0]
        page = self._browser.get("/w/wk0/check", params={"conversation": talk, "app": "hubspot"})
        is_shown = 'id="h-preview"' in page.text and "A preview cannot be had" not in page.text
        return "" if is_shown else f"{page.status_code} {page.text}"


def status_of(method: str, url: str, token: str, body: object = None) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.request(method, url, json=body, headers=headers, timeout=20, trust_env=False)
    return answer.status_code
