"""The rule alone, without Kafka: CPU time per update, and memory per pending conversation.

Run in a process of its own, `python -m bench.debounce.rule 1000000`, so that its memory is its own.
Half of the updates open a conversation while the oldest settles, half move a pending one.
"""

import json
import random
import sys
import time

import psutil
from bench.debounce.check import Name
from debounce.domain.quiet import Quiet

UPDATES = 1_000_000


# Of the conversations opened or moved within one quiet period, so many differ.
DISTINCT = 0.683


def measure(pending: int, updates: int = UPDATES) -> dict[str, object]:
    quiet_ms = round(pending / DISTINCT)
    name, rule = Name(), Quiet(quiet_ms)
    process = psutil.Process()
    before = process.memory_info().rss
    for number in range(quiet_ms - pending, quiet_ms):
        rule.read(number + 1, number, [(number, name(number), number // 1000, number)])
    rss = process.memory_info().rss - before
    steps = [
        (number, name(number if number % 2 else number - random.randrange(quiet_ms // 2) * 2 - 1))
        for number in range(quiet_ms, quiet_ms + updates)
    ]
    settled = 0
    began = time.process_time()
    for number, conversation in steps:
        update = (number, conversation, number // 1000, number)
        if due := rule.read(number + 1, number, [update]):
            settled += len(due)
            rule.acknowledge([one.offset for one in due])
    seconds = time.process_time() - began
    return {
        "scenario": "rule",
        "contender": "rule",
        "pending": pending,
        "pending_at_end": rule.pending_count,
        "updates": updates,
        "settled": settled,
        "us_per_update": seconds / updates * 1e6,
        "rss": rss,
    }


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
