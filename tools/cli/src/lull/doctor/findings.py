"""What the doctor says: one line each, good or to be mended, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    GOOD = "ok"
    MEND = "mend"  # something does not work, or will not
    UNKNOWN = "?"  # could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: State
    mend: str = ""  # what to do

    def line(self) -> str:
        return f"{self.state:<4}  {self.what}" + (f"\n      -> {self.mend}" if self.mend else "")
