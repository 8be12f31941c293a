"""The whole product, two replicas of each service, whose secrets change while it is used."""

import asyncio
import base64
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import asyncpg
import httpx
import pytest
from demo.environment import local
from demo.inbox_card import InboxCard, NotShown
from demo.product import Product
from demo.talk import TEAMMATE, Talk
from devstack.database import dsn_for
from devstack.waiting import wait_until
from simulators.client import SimulatorControl
from simulators.world import client_of

ACCOUNTS = {"hubspot": "42001", "keap": "42002"}
LOOK_EVERY_S = 0.3
# Intercom's inbox waits for a second or so, in which a busy machine is not always done.
CARD_WITHIN_S = 20.0
# So short that Keap's tokens are refreshed all the time, with our client's secret there.
TOKEN_LIFETIME_S = 20.0


class RotatingProduct(Product):
    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.given: dict[str, dict[str, str]] = {"ingest": {}, "delivery": {}, "settings": {}}
        self.started_with: dict[str, dict[str, str]] = {}

    def variables_of(self, name: str) -> dict[str, str]:
        replica = self.replicas.by_name.get(name)
        return self.given.get(replica.service if replica else name, {})

    def give(self, service: str, **values: str) -> None:
        self.given[service] |= {f"LULL_{name}": value for name, value in values.items()}

    def restart(self, name: str) -> None:
        super().restart(name)
        if name in self.replicas.by_name:
            self.started_with[name] = {**self._environment, **self.variables_of(name)}

    def roll(self) -> None:
        for name, replica in self.replicas.by_name.items():
            if replica.service in self.given:
                self.restart(name)
                self.wait_ready(name)


class Looks:
    """What callers see all the time, each with the secret that is theirs just then."""

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
        return _status("GET", url, token)

    def replayers(self, token: str) -> int:
        url = f"{local(self._product.ports.delivery)}/v1/replays"
        return _status("POST", url, token, {"dry_run": True, "everything": True})

    def front_ends(self, token: str) -> int:
        url = f"{local(self._product.ports.ingest)}/v1/actions"
        return _status("POST", url, token, {})

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
        return [code for token in brought if (code := _status("POST", url, token, {})) == 401]

    def _preview(self) -> str:
        if not self._talk.begun:
            return ""
        _, talk = self._talk.begun[0]
        page = self._browser.get("/w/wk0/check", params={"conversation": talk, "app": "hubspot"})
        is_shown = 'id="h-preview"' in page.text and "A preview cannot be had" not in page.text
        return "" if is_shown else f"{page.status_code} {page.text}"


def _status(method: str, url: str, token: str, body: object = None) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.request(method, url, json=body, headers=headers, timeout=20, trust_env=False)
    return answer.status_code


class Receiver:
    """Where notices to admins are posted; both secrets are known here for a while."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        taken = self.posts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = local(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Rotation:
    """Old and new values, and who is given which."""

    def __init__(
        self, product: RotatingProduct, control: SimulatorControl, receiver: Receiver
    ) -> None:
        self.product = product
        self.control = control
        self.notices = receiver.posts
        self.talk = Talk(product.system, control, [ACCOUNTS], every_s=0.5)
        self.looks = Looks(product, control, self.talk)
        tokens = product.tokens
        self.old = {
            "intercom": client_of("intercom")[1],
            "keys": f"k1:{tokens.token_key}",
            "operator": tokens.operator,
            "delivery": tokens.delivery,
            "action": tokens.action,
            "webhook": product.given["settings"]["LULL_SETTINGS_WEBHOOK_SECRET"],
        }
        self.new = {name: secrets.token_urlsafe(24) for name in (*self.old, "keap", "database")}
        self.new["keys"] = f"k2:{base64.b64encode(secrets.token_bytes(32)).decode()}"

    def both(self, name: str) -> str:
        return f"{self.new[name]},{self.old[name]}"

    def called_take_both(self) -> None:
        give, old, new = self.product.give, self.old, self.new
        give("ingest", INTERCOM_CLIENT_SECRETS=self.both("intercom"))
        give("ingest", INGEST_ACTION_TOKENS=f"hubspot:{old['action']},hubspot:{new['action']}")
        give("delivery", DELIVERY_ACTIONS_TOKEN=self.both("delivery"))
        give("delivery", DELIVERY_PREVIEW_TOKEN=self.both("delivery"))
        give("delivery", DELIVERY_OPERATOR_TOKEN=self.both("operator"))
        give("settings", INTERCOM_CLIENT_SECRETS=self.both("intercom"))
        give("settings", SETTINGS_TOKEN_KEYS=self.both("keys"))
        callers = f"delivery:{old['delivery']},delivery:{new['delivery']}"
        give("settings", SETTINGS_CALLER_TOKENS=callers)
        give("settings", SETTINGS_OPERATOR_TOKEN=self.both("operator"))
        give("settings", SETTINGS_WEBHOOK_SECRET=self.both("webhook"))
        self.product.roll()

    def callers_bring_new(self) -> None:
        give, new = self.product.give, self.new
        self.control.set_intercom_app(client_secret=new["intercom"])
        self.control.call("PUT", "/crm/keap/app", {"client_secret": new["keap"]})
        give("ingest", DELIVERY_ACTIONS_TOKEN=self.both("delivery"))
        give("delivery", DELIVERY_SETTINGS_TOKEN=new["delivery"])
        give("delivery", DELIVERY_DATABASE_URL=self._second_role("delivery"))
        give("settings", SETTINGS_DELIVERY_TOKEN=new["delivery"])
        give("settings", SETTINGS_DATABASE_URL=self._second_role("settings"))
        give("settings", KEAP_CLIENT_SECRET=new["keap"])
        self.product.run_once("settings", ["settings", "rotate-keys"])
        self.looks.operator = self.looks.delivery_operator = new["operator"]
        self.looks.action = new["action"]
        self.product.roll()

    def old_ones_go(self) -> None:
        give, new = self.product.give, self.new
        give("ingest", INTERCOM_CLIENT_SECRETS=new["intercom"])
        give("ingest", INGEST_ACTION_TOKENS=f"hubspot:{new['action']}")
        give("ingest", DELIVERY_ACTIONS_TOKEN=new["delivery"])
        give("delivery", DELIVERY_ACTIONS_TOKEN=new["delivery"])
        give("delivery", DELIVERY_PREVIEW_TOKEN=new["delivery"])
        give("delivery", DELIVERY_OPERATOR_TOKEN=new["operator"])
        give("settings", INTERCOM_CLIENT_SECRETS=new["intercom"])
        give("settings", SETTINGS_TOKEN_KEYS=new["keys"])
        give("settings", SETTINGS_CALLER_TOKENS=f"delivery:{new['delivery']}")
        give("settings", SETTINGS_OPERATOR_TOKEN=new["operator"])
        give("settings", SETTINGS_WEBHOOK_SECRET=new["webhook"])
        for name in ("settings", "delivery"):
            self._as_superuser(f"ALTER ROLE lull_{name} NOLOGIN")
        self.product.roll()

    def _second_role(self, name: str) -> str:
        password = self.new["database"]
        self._as_superuser(
            f"CREATE ROLE lull_{name}_b LOGIN PASSWORD '{password}' IN ROLE lull_{name}"
        )
        stack = self.product.stack
        assert stack is not None
        return dsn_for(stack.postgres_dsn, f"lull_{name}", f"lull_{name}_b", password)

    def _as_superuser(self, statement: str) -> None:
        stack = self.product.stack
        assert stack is not None
        dsn = stack.postgres_dsn

        async def execute() -> None:
            connection = await asyncpg.connect(dsn)
            await connection.execute(statement)
            await connection.close()

        asyncio.run(execute())


@pytest.fixture(scope="module")
def rotation(size: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    if size == "quick":
        pytest.skip("rolls two replicas of three services three times: in the size faults")
    product = RotatingProduct(tmp_path_factory.mktemp("rotation"), quiet_period_s=1, replicas=2)
    receiver = Receiver()
    product.give(
        "settings",
        SETTINGS_WEBHOOK_URL=receiver.url,
        SETTINGS_WEBHOOK_SECRET=secrets.token_urlsafe(24),
        SETTINGS_NOTICES_EVERY_S="1",
    )
    product.give("delivery", DELIVERY_OPERATOR_TOKEN=product.tokens.operator)
    try:
        product.start()
        with SimulatorControl(local(product.ports.simulators)) as control:
            control.knobs(
                rate_limits=False, webhook_retry_s=1, token_lifetime_s={"keap": TOKEN_LIFETIME_S}
            )
            rotation = Rotation(product, control, receiver)
            try:
                rotation.talk.start()
                rotation.looks.start()
                yield rotation
            finally:
                rotation.looks.stop()
                rotation.talk.stop()
    finally:
        product.stop()
        receiver.stop()
