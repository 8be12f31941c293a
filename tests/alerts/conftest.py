"""The whole product with people who talk all the time, and a real Prometheus that watches it.

Prometheus has the repository's rules with every duration divided by one number, so that minutes
become seconds; what is compared with what stays as it is.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from demo.environment import local
from demo.product import SERVICES, Product
from demo.talk import Talk
from devstack.ports import free_port
from devstack.supervise import Program, Server
from devstack.waiting import wait_until
from simulators.client import SimulatorControl

RULES = Path(__file__).resolve().parents[2] / "deploy/observability/rules.yml"
DIVISOR = 60
OTHER_DIVISORS = {
    "LullNoWebhooks": 600,  # it looks back a day, which would still be 24 minutes
    "LullCommitFailures": 20,  # each of them is a rejoining, which takes seconds on a busy machine
    "LullSettleDelay": 12,  # what it looks at must span a debounce's being held up, twice
}
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
WITHIN_S = 90.0
# Four, since a vendor's own circuit opens where four of its connections are in trouble.
ACCOUNTS = (
    {"hubspot": "42001", "pipedrive": "bright-42005", "keap": "42006"},
    {"hubspot": "42002"},
    {"hubspot": "42003"},
    {"hubspot": "42004"},
)
TALK_EVERY_S = 0.5
LOOK_EVERY_S = 0.1


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def shortened(rule: dict[str, Any]) -> dict[str, Any]:
    """The rule with all its durations divided: `for`, ranges and offsets."""
    by = OTHER_DIVISORS.get(rule["alert"], DIVISOR)

    def shorter(found: re.Match[str]) -> str:
        return f"{int(found[1]) * SECONDS[found[2]] * 1000 // by}ms"

    expr = re.sub(r"(?:(?<=\[)|(?<=offset ))(\d+)([smhd])\b", shorter, rule["expr"])
    return {**rule, "expr": expr, "for": re.sub(r"(\d+)([smhd])", shorter, rule.get("for", "0s"))}


class Prometheus:
    def __init__(self, program: str, folder: Path, targets: list[str]) -> None:
        folder.mkdir()
        groups = [{"name": "lull", "rules": [shortened(rule) for rule in rules()]}]
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
        config = {
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "evaluation_interval": "500ms",
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "lull", "static_configs": [{"targets": targets}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        self._url = f"{local(port)}/api/v1"
        command = [program, "--config.file=prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--query.lookback-delta=5s"]
        log = folder / "prometheus.log"
        self._server = Server(Program("Prometheus", command, folder, log), folder / "pid")
        self._server.wait_until(self._scrapes, 30)

    def stop(self) -> None:
        self._server.stop()

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is pending or firing."""
        found = self._ask("alerts")["alerts"]
        return {one["labels"]["alertname"]: one["state"] for one in found}

    def _scrapes(self) -> bool:
        try:
            targets = self._ask("targets")["activeTargets"]
        except httpx.HTTPError:
            return False
        return all(target["health"] == "up" for target in targets)

    def _ask(self, what: str) -> dict[str, Any]:
        answer = httpx.get(f"{self._url}/{what}", trust_env=False).raise_for_status()
        found: dict[str, Any] = answer.json()["data"]
        return found


class OperatedProduct(Product):
    def variables_of(self, name: str) -> dict[str, str]:
        return {
            "LULL_DELIVERY_OPERATOR_TOKEN": self.tokens.operator,
            "LULL_DELIVERY_URL": local(self.ports.delivery),
        }

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def twin(self, name: str) -> Server:
        """One more with the same instance id, as no two may have."""
        own = {f"LULL_{name.upper()}_PORT": "0", f"LULL_{name.upper()}_HEALTH_PORT": "0"}
        program = self._running[name].program
        again = replace(
            program, log=self.logs / "twin.log", environment={**program.environment, **own}
        )
        return Server(again, self.folder / "twin.pid")


class Watched:
    """The product, who talks in it, and what Prometheus says of it."""

    def __init__(
        self, product: OperatedProduct, control: SimulatorControl, prometheus: Prometheus
    ) -> None:
        self.product = product
        self.control = control
        self.prometheus = prometheus
        self.all = {rule["alert"] for rule in rules()}
        self.fired: set[str] = set()
        self.began = time.monotonic()
        self.talk = Talk(product.system, control, ACCOUNTS, every_s=TALK_EVERY_S)

    def notes(self, crm: str, account: str) -> int:
        return len(self.control.notes(crm, account))

    def fires(self, *alerts: str, within_s: float = WITHIN_S) -> None:
        """Each of them, not all at one moment."""

        def have() -> bool:
            self.fired |= {name for name in alerts if self._now().get(name) == "firing"}
            return {*alerts} <= self.fired

        self.fired -= {*alerts}
        self.until(have, within_s)

    def resolves(self, *alerts: str, within_s: float = WITHIN_S) -> None:
        self.until(lambda: not self._now().keys() & {*alerts}, within_s)

    def until(self, what: Callable[[], object], within_s: float = WITHIN_S) -> None:
        wait_until(what, within_s, lambda: str(self._now()), LOOK_EVERY_S)

    def _now(self) -> dict[str, str]:
        return self.prometheus.alerts()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus on the PATH: Debian's package has it")
    folder = tmp_path_factory.mktemp("alerts")
    product = OperatedProduct(folder / "product", quiet_period_s=1)
    try:
        product.start()
        targets = [product.health_url(name).removeprefix("http://") for name in SERVICES]
        prometheus = Prometheus(program, folder / "prometheus", targets)
        try:
            with SimulatorControl(local(product.ports.simulators)) as control:
                control.knobs(rate_limits=False, webhook_retry_s=1)
                watched = Watched(product, control, prometheus)
                try:
                    watched.talk.start()
                    yield watched
                finally:
                    watched.talk.stop()
        finally:
            prometheus.stop()
    finally:
        product.stop()
