"""The demo while each process is killed with -9 in turn and started again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from demo.product import SERVERS, SERVICES, Product

VICTIMS: Final = (*SERVICES, *SERVERS)


@dataclass(slots=True)
class Killer:
    product: Product
    say: Callable[[str], None]
    rounds: int  # how often each process dies
    killed: list[str] = field(default_factory=list)
    _order: "cycle[str]" = field(default_factory=lambda: cycle(VICTIMS))

    def strike(self) -> bool:
        """Kill the next one and start it again; false once all have had their turns."""
        if len(self.killed) >= self.rounds * len(VICTIMS):
            return False
        name = next(self._order)
        self.product.kill(name)
        self.killed.append(name)
        self.say(f"kill -9 {name}, and up again ({len(self.killed)})")
        self.product.restart(name)
        if name in SERVICES:
            self.product.wait_ready(name)
        return True
