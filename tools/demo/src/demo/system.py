"""A running product with its simulators, as the demo reaches it: started by us or deployed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class System:
    ingest: str  # addresses, without a trailing slash
    settings: str
    simulators: str
    kafka: str  # bootstrap servers
    operator_token: str
    action_token: str
    quiet_period_s: float
    # Files and folders of the servers and logs, where no word of a conversation may lie.
    files: tuple[Path, ...] = ()
    # Called now and then: starts again what ended, and says which processes ever ended unasked.
    look_after: Callable[[], Sequence[str]] = lambda: ()
