"""Health: loops judge liveness, needs judge readiness, peers judge nothing."""

import httpx
import pytest
from common.health import Health


class Seconds:
    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def health(seconds: Seconds) -> Health:
    return Health("test", now=seconds)


def test_a_loop_is_well_until_its_longest_pause_is_over(health: Health, seconds: Seconds) -> None:
    loop = health.loop("work", longest_pause_s=60)
    seconds.value = 60
    assert health.healthz()[0]
    seconds.value = 61
    assert health.healthz() == (False, {"loops": {"work": "no progress for 61 s"}})
    loop.beat()
    assert health.healthz()[0]


def test_a_loop_that_died_never_gets_well(health: Health) -> None:
    loop = health.loop("work")
    loop.died("ended")
    loop.beat()
    assert health.healthz() == (False, {"loops": {"work": "ended"}})


def test_one_stalled_loop_among_others_is_enough(health: Health, seconds: Seconds) -> None:
    health.loop("slow", longest_pause_s=100)
    health.loop("fast", longest_pause_s=1)
    seconds.value = 2
    well, body = health.healthz()
    assert not well
    assert body == {"loops": {"slow": "ok", "fast": "no progress for 2 s"}}


def test_not_ready_until_every_need_is_met_and_again_when_one_is_missing(health: Health) -> None:
    kafka, postgres = health.need("kafka"), health.need("postgres")
    kafka.met()
    assert not health.readyz()[0]
    postgres.met()
    assert health.readyz()[0]
    kafka.missing("gone")
    assert health.readyz() == (False, {"needs": {"kafka": "gone", "postgres": "ok"}, "peers": {}})


def test_a_peer_is_shown_and_never_counts(health: Health) -> None:
    health.peer("settings").missing("does not answer")
    assert health.readyz() == (True, {"needs": {}, "peers": {"settings": "does not answer"}})


async def test_pages_answer_200_or_503_and_metrics_are_prometheus_text(health: Health) -> None:
    need = health.need("kafka")
    transport = httpx.ASGITransport(health.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://health") as client:
        assert (await client.get("/healthz")).status_code == 200
        red = await client.get("/readyz")
        assert (red.status_code, red.json()["status"]) == (503, "failing")
        need.met()
        green = await client.get("/readyz")
        assert (green.status_code, green.json()["service"]) == (200, "test")
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain")
        assert "python_info" in metrics.text
