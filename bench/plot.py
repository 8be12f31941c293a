"""debounce.svg from the rows that were measured: cost per update, and memory, by what is pending.

Runs in the bench's own virtual environment: `python -m bench.debounce plot`.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl  # type: ignore[import-not-found]
from matplotlib import pyplot as plt
from matplotlib.ticker import (  # type: ignore[import-not-found]
    NullFormatter,
    StrMethodFormatter,
)

NAMES = {
    "lull": "Lull, as shipped",
    "rule": "Lull's rule alone",
    "streams-processor": "Kafka Streams, Processor (RocksDB)",
    "streams-processor-memory": "Kafka Streams, Processor (memory)",
    "streams-processor-static": "Kafka Streams, Processor (RocksDB)",
    "streams-session": "Kafka Streams, session window",
    "quix-key": "quixstreams, session window",
}


def main() -> None:
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    cost: dict[str, dict[int, float]] = defaultdict(dict)
    memory: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row["scenario"] in ("pending", "rule") and row["us_per_update"]:
            name, pending = NAMES.get(row["contender"], row["contender"]), row["pending"]
            cost[name][pending] = min(row["us_per_update"], cost[name].get(pending, 1e9))
            memory[name][pending] = min(row["rss"] / 2**20, memory[name].get(pending, 1e9))
    mpl.rcParams.update({"svg.hashsalt": "lull", "font.size": 9, "axes.grid": True})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axes, figures, title in (
        (left, cost, "CPU time per update (µs)"),
        (right, memory, "memory of the process (MB)"),
    ):
        for name, points in figures.items():
            pending = sorted(points)
            axes.plot(pending, [points[size] for size in pending], marker="o", label=name)
        axes.set(xscale="log", yscale="log", xlabel="conversations pending", title=title)
        most = max(max(points.values()) for points in figures.values())
        axes.set_ylim(1 if figures is cost else 10, 2 * most)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axis.set_minor_formatter(NullFormatter())
        axes.legend()
    target = Path(__file__).with_name("debounce.svg")
    figure.savefig(target, metadata={"Date": None})
    print(f"{target}: {target.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
