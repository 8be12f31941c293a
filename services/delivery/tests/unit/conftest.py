"""What several files of tests share stands in `harness`."""

import sys
from pathlib import Path

if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)
