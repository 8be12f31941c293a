"""`python -m bench.debounce.plan full|10m|small`: all measurements, one after the other.

Each is a command of its own with a Kafka of its own, as one would type it. `full` begins a new
`debounce.jsonl`, `10m` adds to it, then the table and the plot are made; `small` is a rehearsal
at a fiftieth of the size, and leaves both alone. With numbers after it (`full 2 3`) only those
commands run, and the rows of all others stay.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.debounce.contenders import BENCH

PEERS = "streams-processor,streams-processor-memory,streams-processor-small,streams-session"
PLANS = {
    "full": (
        f"throughput --limit 100 --only lull,{PEERS},quix-key,quix-partition",
        f"throughput --rounds 2 --limit 150 --only lull,{PEERS}",
        "pending --only lull",
        "rule",
        "killed --only lull,streams-processor,streams-processor-memory,streams-session,quix-key",
        "pending --only streams-processor,streams-processor-memory --pending 10000,1000000",
        "pending --only streams-processor-static,streams-session --pending 1000000",
        "pending --only streams-processor --pending 5000000",
        "pending --only quix-key --pending 10000,1000000 --updates 100000",
    ),
    "10m": (
        (
            "throughput --updates 10000000 --conversations 2000000 --limit 600"
            " --only lull,streams-processor-memory"
        ),
        (
            "throughput --updates 10000000 --conversations 2000000 --limit 600"
            " --only lull,streams-processor"
        ),
        (
            "throughput --updates 10000000 --conversations 2000000 --limit 1500 --rounds 1"
            " --only streams-session,quix-key"
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
    plan, *numbers = sys.argv[1:] or [""]
    if plan not in PLANS or not all(number.isdigit() for number in numbers):
        sys.exit(
            f"usage: python -m bench.debounce.plan {'|'.join(PLANS)} [number of a command] ..."
        )
    commands = [PLANS[plan][int(number) - 1] for number in numbers] or PLANS[plan]
    bench = [sys.executable, "-m", "bench.debounce"]
    with tempfile.TemporaryDirectory() as folder:
        results = BENCH / "debounce.jsonl" if plan != "small" else Path(folder) / "small.jsonl"
        if plan == "full" and not numbers:
            results.unlink(missing_ok=True)
        for command in commands:
            print(f"== {command}", flush=True)
            subprocess.run([*bench, *shlex.split(command), "--results", str(results)], check=True)
    if plan != "small":
        for what in ("table", "plot"):
            subprocess.run([*bench, what], check=True)


if __name__ == "__main__":
    main()
