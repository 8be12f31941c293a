"""The rounds of docs/runbook.md: old and new values, and who is given which."""

import asyncio
import base64
import secrets

import asyncpg
from demo.talk import Talk
from devstack.database import dsn_for
from simulators.client import SimulatorControl
from simulators.world import client_of

from rotating.looks import Looks
from rotating.product import RotatingProduct
from rotating.receiver import Receiver

ACCOUNTS = {"hubspot": "42001", "keap": "42002"}


class Rotation:
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
