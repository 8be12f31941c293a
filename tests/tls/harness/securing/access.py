"""What deploy/access.yml announces, and nothing else is granted."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from common.catalog import CRMS
from common.topics import TOPICS

ROOT = Path(__file__).resolve().parents[4]
PREFIX = "acme."
LITERAL, TOPIC, GROUP = 3, 2, 3  # as Kafka's protocol numbers them
READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = 3, 4, 5, 8, 10


@dataclass(frozen=True, slots=True)
class Access:
    """What one principal of deploy/access.yml may do; names with the prefix."""

    reads: frozenset[str]
    writes: frozenset[str]
    groups: frozenset[str]
    creates: bool

    @classmethod
    def of(cls, entry: dict[str, Any]) -> "Access":
        each = [group.replace("*", crm) for group in entry["groups"] for crm in CRMS]
        reads, writes, groups = (
            frozenset(PREFIX + name for name in names)
            for names in (entry["reads"], entry["writes"], each)
        )
        return cls(reads, writes, groups, entry.get("creates", False))

    def grants(self) -> Iterator[tuple[int, str, int]]:
        """Resource type, name and operation of each ACL."""
        yield from ((TOPIC, name, READ) for name in self.reads)
        yield from ((TOPIC, name, WRITE) for name in self.writes)
        yield from ((GROUP, name, READ) for name in self.groups)
        if self.creates:
            for topic in TOPICS:
                for operation in (CREATE, DESCRIBE, DESCRIBE_CONFIGS):
                    yield TOPIC, PREFIX + topic.name, operation


def access() -> dict[str, Access]:
    entries = yaml.safe_load((ROOT / "deploy" / "access.yml").read_text())
    return {principal: Access.of(entry) for principal, entry in entries.items()}
