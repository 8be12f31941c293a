"""The whole product as a person starts it: `make demo`, `make demo-kill`, and what they leave."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.integration

ENDS_WITHIN_S = 420
ACME = (Path(__file__).resolve().parents[1] / "acme.toml").read_text()
ONE_CHAT = """
[[conversations]]
name = "a chat"
workspace = "acme1"
customer = "Ada Bright"
assignee = "5001"
steps = [{ by = "customer", say = "Hello quokka." }]
[conversations.expect]
why = "planted: it will be delivered"
hubspot = { outcomes = ["no_person"], notes = 0 }
"""


async def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # In a thread: Kafka clients of other tests live on this event loop, and must not starve.
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "demo.main", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    print(done.stdout, done.stderr)
    return done


def left_running(folder: Path) -> list[str]:
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline", "cwd"])
        if str(folder) in (process.info["cwd"] or "")
        or any(str(folder) in part for part in process.info["cmdline"] or [])
    ]


async def test_the_demo_ends_as_its_scenario_file_says(tmp_path: Path) -> None:
    # Messages of one play must lie closer than the quiet period, on a busy machine too.
    done = await run_demo(tmp_path, "demo", "--no-stay", "--quiet", "10", "--patience", "180")
    assert done.returncode == 0
    assert left_running(tmp_path) == []


async def test_a_planted_wrong_expectation_fails_the_demo(tmp_path: Path, size: str) -> None:
    if size == "quick":
        pytest.skip("starts the product once more; what is wrong is named by the judge's own tests")
    scenario = tmp_path / "wrong.toml"
    scenario.write_text(ACME + ONE_CHAT)
    done = await run_demo(
        tmp_path, "demo", "--no-stay", "--patience", "8", "--scenario", str(scenario)
    )
    assert done.returncode == 1
    assert "outcomes delivered instead of no_person" in done.stdout


async def test_killing_every_process_loses_nothing_and_doubles_nothing(
    tmp_path: Path, size: str
) -> None:
    rounds = {"quick": 1, "faults": 5, "long": 20}[size]
    done = await run_demo(tmp_path, "kill", "--rounds", str(rounds))
    assert done.returncode == 0
    assert left_running(tmp_path) == []
