"""`python -m delivery.simulation --histories 2000`: prints each seed that breaks a promise."""

import argparse
import sys
import time
from collections import Counter

from delivery.simulation.many import simulate_many
from delivery.simulation.plants import PLANTS

MAX_TOLD = 10  # of one history


def main() -> int:
    parser = argparse.ArgumentParser("python -m delivery.simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first history")
    parser.add_argument("--seed", type=int, help="only this history")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none", help="a bug to plant")
    options = parser.parse_args()
    if options.seed is not None:
        options.first, options.histories = options.seed, 1
    began, bad, total = time.monotonic(), 0, Counter[str]()
    reports = simulate_many(options.first, options.histories, options.plant, options.processes)
    for report in reports:
        total += Counter(histories=1) + report.counts
        if report.violations:
            bad += 1
            told = report.violations[:MAX_TOLD]
            if more := report.violations[MAX_TOLD:]:
                told = [*told, f"and {len(more)} more"]
            print(f"seed {report.seed}: " + "\n    ".join(told), flush=True)  # noqa: T201
    figures = ", ".join(f"{name}: {count}" for name, count in total.items())
    print(f"{figures}; {bad} broken; {time.monotonic() - began:.1f} s")  # noqa: T201
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
