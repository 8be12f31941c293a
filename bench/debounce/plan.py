"""`python -m bench.debounce.plan full|10m|small`: all measurements, one after the other.

Each is a command of its own with a Kafka of its own, as one would type it. `full` and `10m` begin
a new `debounce.jsonl` or add to it, then the table and the plot are made; `small` is a rehearsal
at a fiftieth of the size, and leaves both alone.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.debounce.contenders import BENCH

PLANS = {
    "full": (
        (
            "throughput --rounds 3 --limit 200 --once quix-key,quix-partition"
            " --only lull,streams-processor,streams-processor-memory,streams-processor-small,"
            "streams-session,quix-key,quix-partition"
        ),
        "pending --only lull",
        "rule",
        "killed --rounds 2 --only lull,streams-processor,streams-session",
        "pending --only streams-processor --pending 10000,1000000,5000000",
        "pending --only streams-processor-static,streams-session --pending 1000000",
        "pending --only quix-key --pending 10000,1000000 --updates 100000",
        "killed --only quix-key",
    ),
    "10m": (
        (
            "throughput --updates 10000000 --conversations 2000000 --limit 900"
            " --only lull,streams-processor,streams-session"
        ),
    ),
    "small": (
        (
            "throughput --updates 20000 --conversations 4000 --rounds 2 --once quix-key"
            " --only lull,streams-processor,streams-session,quix-key,quix-partition"
        ),
        "pending --updates 20000 --pending 1000,20000 --recover-at 20000",
        "rule --pending 1000,20000",
        "killed --updates 20000 --conversations 4000",
    ),
}


def main() -> None:
    plan = sys.argv[1] if sys.argv[1:] else ""
    if plan not in PLANS:
        sys.exit(f"usage: python -m bench.debounce.plan {'|'.join(PLANS)}")
    bench = [sys.executable, "-m", "bench.debounce"]
    with tempfile.TemporaryDirectory() as folder:
        results = BENCH / "debounce.jsonl" if plan != "small" else Path(folder) / "small.jsonl"
        if plan == "full":
            results.unlink(missing_ok=True)
        for command in PLANS[plan]:
            print(f"== {command}", flush=True)
            subprocess.run([*bench, *shlex.split(command), "--results", str(results)], check=True)
    if plan != "small":
        for what in ("table", "plot"):
            subprocess.run([*bench, what], check=True)


if __name__ == "__main__":
    main()
