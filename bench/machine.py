"""Where figures come from: the machine and the command, in one line each."""

import os
import platform
import shlex
import sys
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


def command(module: str, private: str) -> str:
    """The one that runs, as anybody may type it.

    Args:
        module: what was run.
        private: an option whose value is no part of what was measured, such as `--results`.

    """
    words = sys.argv[1:]
    if private in words:
        at = words.index(private)
        del words[at : at + 2]
    return shlex.join(["python", "-m", module, *words])
