"""The tables of delivery."""

from pathlib import Path
from typing import Final

from common.schema import Schema

SCHEMA: Final = Schema("delivery", Path(__file__).parents[1] / "migrations", 0x4C44_4C56)
