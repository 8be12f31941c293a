"""Alerts and dashboards: they parse, name only metrics that are exported, and are explained."""

import json
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import httpx
import promql_parser
import pytest
import yaml
from demo.product import SERVICES, Product

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
OBSERVABILITY = ROOT / "deploy" / "observability"
SUFFIXES = ("_bucket", "_count", "_sum", "_total", "")


def rules() -> list[dict[str, str]]:
    (group,) = yaml.safe_load((OBSERVABILITY / "rules.yml").read_text())["groups"]
    found: list[dict[str, str]] = group["rules"]
    return found


def queries() -> dict[str, str]:
    """Every query, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    board = json.loads((OBSERVABILITY / "grafana/dashboards/lull.json").read_text())
    for panel in board["panels"]:
        for number, target in enumerate(panel.get("targets", [])):
            found[f"panel {panel['title']} {number}"] = target["expr"]
    return found


@pytest.fixture(scope="module")
def exported(product: Product) -> set[str]:
    """The names of all metrics that the running services tell Prometheus of."""
    names: set[str] = set()
    for service in SERVICES:
        text = httpx.get(f"{product.health_url(service)}/metrics", trust_env=False).text
        names |= set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    return names


def test_every_query_parses() -> None:
    for where, query in queries().items():
        try:
            promql_parser.parse(query)
        except ValueError as error:
            pytest.fail(f"{where}: {error}")


def test_every_metric_of_a_query_is_exported_by_a_running_service(exported: set[str]) -> None:
    known = {f"{name}{suffix}" for name in exported for suffix in SUFFIXES}
    for where, query in queries().items():
        named = set(re.findall(r"\blull_[a-z_]+", query))
        assert named <= known, where


def test_no_service_serves_asyncapi_pages_or_lets_anybody_try_a_topic(product: Product) -> None:
    """FastStream's "try it out" would publish whatever it is sent."""
    for name, port in asdict(product.ports).items():
        if name == "simulators":
            continue
        for path in ("/asyncapi", "/docs/asyncapi", "/docs", "/asyncapi.json"):
            page = f"http://127.0.0.1:{port}{path}"
            assert "asyncapi" not in httpx.get(page, trust_env=False).text.lower(), page
            tried = httpx.post(f"{page}/try", json={}, trust_env=False)
            assert tried.status_code in (401, 403, 404, 405), page


def test_every_alert_says_how_bad_it_is_and_has_its_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    sections = set(re.findall(r"^### (\S+)$", runbook, re.MULTILINE))
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")  # type: ignore[index]
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"  # type: ignore[index]
    assert sections == {rule["alert"] for rule in rules()}


def test_each_alert_has_a_case_that_makes_it_fire() -> None:
    cases = yaml.safe_load((OBSERVABILITY / "rules.test.yml").read_text())["tests"]
    assert {case["name"] for case in cases[1:]} == {rule["alert"] for rule in rules()}
    silent = {one["alertname"] for one in cases[0]["alert_rule_test"]}
    assert silent == {rule["alert"] for rule in rules()}


def test_each_alert_fires_when_it_should_and_is_silent_when_all_is_well() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on the PATH: see deploy/observability/rules.test.yml")
    tried = subprocess.run(
        [promtool, "test", "rules", str(OBSERVABILITY / "rules.test.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
