"""A small process between us and a server: when we are gone, however we went, it ends the server.

Run by path as `python -I -S guard.py SPEC`, standard library only. Standard input is a pipe that
only its starter holds: its end means that the starter closed it, exited, or was killed. That needs
no signal to arrive, works on macOS, and does not fire when a mere thread ends (as Linux's
parent-death signal does). Standard output gets one line, the server's pid; the guard's exit code is
the server's.

Postgres refuses to run as root: `uid` and `gid` in SPEC make the server somebody else.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def main(spec: dict[str, Any]) -> int:
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    stop_signal = getattr(signal, spec["stop_signal"])
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    asked: list[bool] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    starter = os.getppid()
    with Path(spec["log"]).open("ab") as log:
        server = subprocess.Popen(
            spec["command"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=spec["cwd"],
            start_new_session=True,
            preexec_fn=lambda: become(spec, libc, stop_signal),
        )
    with contextlib.suppress(BrokenPipeError):  # the starter is gone already
        os.write(1, b"%d\n" % server.pid)
    while server.poll() is None and not asked and os.getppid() == starter:
        readable, _, _ = select.select([0, ended], [], [], 2)
        if 0 in readable:
            break  # nobody writes into it, so this is its end
        if ended in readable:
            os.read(ended, 512)
    if server.poll() is None:
        server.send_signal(stop_signal)
        try:
            server.wait(spec["grace_seconds"])
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    return server.returncode


def become(spec: dict[str, Any], libc: ctypes.CDLL | None, stop_signal: int) -> None:
    """In the server's process before it starts: give up root, and follow the guard into death."""
    if spec["uid"] is not None:
        if spec["reach_all"] and libc is not None:
            libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])
        if spec["reach_all"] and libc is not None:
            keep_reaching_all_files(libc)
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)


def keep_reaching_all_files(libc: ctypes.CDLL) -> None:
    """Let the other user pass closed folders above its files, as under root's home.

    The folders' modes stay as they are: one capability is handed over instead.
    """
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable
    libc.capset(header, data)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.exit(code if code >= 0 else 128 - code)
