"""The machine that figures were taken on, in one line."""

import os
import platform
from pathlib import Path

import psutil


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    gib = psutil.virtual_memory().total / 2**30
    python = platform.python_version()
    return f"{os.cpu_count()} cores of {model}, {gib:.0f} GiB, {platform.system()}, Python {python}"
