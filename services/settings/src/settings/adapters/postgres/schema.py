"""The tables of settings."""

from pathlib import Path
from typing import Final

from common.schema import Schema

SCHEMA: Final = Schema("settings", Path(__file__).parents[2] / "migrations", 7_451_100_830_001)
