"""Traces: webhook, Kafka, debounce; and from the settled event, linked to it, to the CRM."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from common import tracing
from demo.environment import local
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


def webhooks(collector: Any) -> list[Any]:
    return named(collector, "ingest", "POST /webhooks/intercom")


def told(span: Any) -> dict[str, object]:
    values = {one.key: one.value for one in span.attributes}
    return {key: value.string_value or value.int_value for key, value in values.items()}


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
        (webhook,) = [span for span in webhooks(collector) if span.trace_id == update.trace_id]
        assert update.parent_span_id == webhook.span_id
        assert not webhook.parent_span_id
        assert webhook.kind == webhook.SPAN_KIND_SERVER
        assert webhook.start_time_unix_nano <= update.start_time_unix_nano
        assert webhook.end_time_unix_nano >= update.end_time_unix_nano
        assert told(webhook) == {
            "http.request.method": "POST",
            "http.route": "/webhooks/intercom",
            "http.response.status_code": 200,
        }

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


async def test_a_request_leaves_nothing_of_its_callers_words(product: Any, collector: Any) -> None:
    ingest = local(product.ports.ingest)
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{ingest}/quokka?quokka=1", headers={"quokka": "quokka"})
        await client.request("PROPFIND", f"{ingest}/webhooks/intercom")
        await client.post(f"{ingest}/webhooks/intercom", content=b"quokka")  # not signed
    refused = {"http.route": "/webhooks/intercom", "http.response.status_code": 401}

    def all_there() -> bool:
        unknown = [told(span) for span in named(collector, "ingest", "GET")]
        other = [told(span) for span in named(collector, "ingest", "_OTHER /webhooks/intercom")]
        unsigned = [told(span) for span in webhooks(collector)]
        return (
            {"http.request.method": "GET", "http.response.status_code": 404} in unknown
            and len(other) == 1
            and {"http.request.method": "POST", **refused} in unsigned
        )

    await asyncio.to_thread(wait_until, all_there, WITHIN_S)
    assert not any(b"quokka" in body.lower() for body in collector.bodies)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_trace_is_sampled_as_a_whole_whoever_goes_on_with_it(
    collector: Any, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", str(share))
    recorder = tracing.Recorder(
        f"sampled-{share:.0f}", f"{collector.endpoint}{tracing.TRACES_PATH}"
    )
    begun = tracing.place_of_update(b"wk1:1", 1, 1)
    recorder.noted("begun", "producer", {}, at=begun)
    recorder.noted("gone on", "consumer", {}, parent=begun)
    recorder.close()
    names = [span.name for of, span in collector.spans() if of == f"lull-sampled-{share:.0f}"]
    assert names == (["begun", "gone on"] if share else [])


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
