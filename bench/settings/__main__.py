"""`python -m bench.settings eligibility|table`: how fast settings says who is eligible.

Starts the product without its vendors' noise (a real Kafka and PostgreSQL, one settings process),
installs the demo's apps, and asks `POST /internal/v1/eligibility` as delivery does: at a constant
rate whatever the answers do, so that queueing shows. Needs `vegeta` (12 or newer) on the PATH:
`go install github.com/tsenart/vegeta/v12@v12.13.0`. Rows go to bench/settings.jsonl, one line each,
with the command and the machine; `table` makes RESULTS-settings.md of them.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from bench.machine import command, machine
from bench.settings import report
from demo.environment import local
from demo.product import Product
from demo.run import Demo
from demo.scenario import load

IDLE = ("ingest", "debounce", "delivery")
BENCH = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.settings", description=__doc__)
    parser.add_argument("what", choices=("eligibility", "table"))
    parser.add_argument("--rate", type=int, default=2_000, help="queries a second, in all")
    parser.add_argument("--batches", default="1,10,100", help="queries in one call, each measured")
    parser.add_argument("--seconds", type=int, default=30, help="length of each measurement")
    parser.add_argument("--results", type=Path, default=BENCH / "settings.jsonl")
    asked = parser.parse_args()
    if asked.what == "table":
        report.write(asked.results, asked.results.with_name("RESULTS-settings.md"))
        return
    vegeta = shutil.which("vegeta")
    if vegeta is None:
        sys.exit("vegeta is not on the PATH; see this module's docstring")
    with tempfile.TemporaryDirectory() as folder:
        product = Product(Path(folder), quiet_period_s=900)
        try:
            product.start()
            Demo(product.system, load(), lambda line: None).install()
            for name in IDLE:
                product.kill(name)
            for batch in map(int, asked.batches.split(",")):
                row = measured(product, vegeta, batch, asked.rate, asked.seconds)
                row |= {
                    "command": command("bench.settings", "--results"),
                    "machine": machine(),
                    "load_average": round(os.getloadavg()[0], 1),
                    "at": int(time.time()),
                }
                line = json.dumps(row)
                print(line, flush=True)
                with asked.results.open("a") as results:
                    results.write(f"{line}\n")
        finally:
            product.stop()


def measured(product: Product, vegeta: str, batch: int, rate: int, seconds: int) -> dict[str, Any]:
    """Times in ms; a warm-up of a tenth goes before and is not counted."""
    calls = max(1, rate // batch)
    target = json.dumps(
        {
            "method": "POST",
            "url": f"{local(product.ports.settings_internal)}/internal/v1/eligibility",
            "body": base64.b64encode(json.dumps({"queries": queries(batch)}).encode()).decode(),
            "header": {
                "Authorization": [f"Bearer {product.tokens.delivery}"],
                "Content-Type": ["application/json"],
            },
        }
    )
    attack(vegeta, target, calls, max(1, seconds // 10))
    busy, everything = settings_cpu(product), machine_cpu()
    fired = attack(vegeta, target, calls, seconds)
    cpu, all_cpu = settings_cpu(product) - busy, machine_cpu() - everything
    latencies = fired["latencies"]
    return {
        "scenario": "eligibility",
        "queries_per_s": calls * batch,
        "queries_per_call": batch,
        "calls_per_s": round(fired["rate"]),
        "seconds": seconds,
        "answered": fired["status_codes"],
        "ms": {name: round(latencies[name] / 1e6, 2) for name in ("50th", "95th", "99th", "max")},
        "settings_cpu": round(cpu / seconds, 2),
        "machine_cpu": round(all_cpu / seconds, 2),
    }


def queries(count: int) -> list[dict[str, Any]]:
    scenario = load()
    keys = [(workspace.id, app.app) for workspace in scenario.workspaces for app in workspace.apps]
    return [
        {
            "workspace_id": keys[n % len(keys)][0],
            "app": keys[n % len(keys)][1],
            "trigger": "quiet",
            "last_updated_at": "2030-01-01T00:00:00Z",
            "assignee_id": "5001",
        }
        for n in range(count)
    ]


def attack(vegeta: str, target: str, calls: int, seconds: int) -> dict[str, Any]:
    fired = subprocess.run(
        [vegeta, "attack", "-format=json", f"-rate={calls}", f"-duration={seconds}s"],
        input=f"{target}\n".encode(),  # vegeta reads whole lines
        capture_output=True,
        check=True,
    )
    report = subprocess.run(
        [vegeta, "report", "-type=json"], input=fired.stdout, capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(report.stdout)
    return found


def settings_cpu(product: Product) -> float:
    """Seconds of CPU that the settings process has used."""
    pid = json.loads((product.folder / "settings.pid").read_text())["pid"]
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def machine_cpu() -> float:
    """Seconds of CPU that everybody used: PostgreSQL, Kafka and the load generator too."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
