"""Where downloads are kept: once per user, not per project."""

import os
from collections.abc import Mapping
from pathlib import Path


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """XDG's cache folder; a relative XDG_CACHE_HOME is ignored, as its specification asks."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "lull"
