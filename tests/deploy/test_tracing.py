"""Traces: webhook, Kafka, debounce; and from the settled event, linked to it, to the CRM."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from demo.run import Demo
from demo.scenario import load
from devstack.waiting import wait_until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 20.0
WORDS = (b"quokka", b"Bright", b"Rivera", b".example", b"mailto", b"%40")
ACME = (ROOT / "tests/acme.toml").read_text()
SAID = """
[[conversations]]
name = "a chat"
workspace = "acme1"
customer = "Ada Bright"
assignee = "5001"
steps = [{ by = "customer", say = "Hello quokka." }, { by = "5001", say = "The quokka is well." }]
[conversations.expect]
why = "it is quiet"
hubspot = { outcomes = ["delivered"], notes = 1 }
"""


def named(collector: Any, service: str, name: str) -> list[Any]:
    return [
        span
        for source, span in collector.spans()
        if source == f"lull-{service}" and span.name == name
    ]


def of_attempts(collector: Any) -> list[Any]:
    attempts = {span.span_id for span in named(collector, "delivery", "delivery attempt")}
    return [span for _, span in collector.spans() if span.parent_span_id in attempts]


async def test_a_conversation_leaves_two_linked_traces_with_ids_alone(
    product: Any, collector: Any, tmp_path: Path
) -> None:
    scenario = tmp_path / "one.toml"
    scenario.write_text(ACME + SAID)
    demo = Demo(product.system, load(scenario), lambda line: None)
    report = await asyncio.to_thread(demo.run)
    assert report.right, report
    await asyncio.to_thread(wait_until, lambda: of_attempts(collector), WITHIN_S)

    updates = named(collector, "ingest", "ConversationUpdated publish")
    assert len(updates) == 2
    for update in updates:
        (read,) = [
            span
            for span in named(collector, "debounce", "ConversationUpdated process")
            if span.trace_id == update.trace_id
        ]
        assert read.parent_span_id == update.span_id
        assert not update.parent_span_id

    (settled,) = named(collector, "debounce", "ConversationSettled publish")
    (link,) = settled.links
    newest = max(updates, key=lambda span: span.start_time_unix_nano)
    assert (link.trace_id, link.span_id) == (newest.trace_id, newest.span_id)
    assert settled.trace_id not in {update.trace_id for update in updates}

    (attempt, *_) = named(collector, "delivery", "delivery attempt")
    assert (attempt.trace_id, attempt.parent_span_id) == (settled.trace_id, settled.span_id)
    calls = of_attempts(collector)
    assert {"GET", "POST"} <= {call.name for call in calls}
    for call in calls:
        assert {one.key for one in call.attributes} <= {
            "http.request.method",
            "server.address",
            "http.response.status_code",
        }

    for word in WORDS:
        assert not any(word in body for body in collector.bodies), word


@pytest.mark.parametrize("service", ["ingest", "debounce", "delivery", "settings"])
def test_nothing_of_it_is_imported_where_there_is_no_endpoint(service: str) -> None:
    look = (
        f"import sys, {service}.app\n"
        "from common import tracing\n"
        f"tracing.configure({service!r}, None)\n"
        "assert tracing.recorder is None\n"
        "found = [name for name in sys.modules if name.startswith('opentelemetry.sdk')\n"
        "         or name.startswith('opentelemetry.exporter')]\n"
        "sys.exit(str(found) if found else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=False, env={}
    )
    assert done.returncode == 0, done.stderr
