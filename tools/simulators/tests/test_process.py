"""The command: its ready line, its answer to a used port, its end."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
from simulators.rate_limits import GridWindow, RollingWindow

COMMAND = [sys.executable, "-m", "simulators.app"]


def test_it_says_where_it_listens_and_ends_on_sigterm() -> None:
    environment = {**os.environ, "LULL_SIMULATORS_PORT": "0", "LULL_SIMULATORS_VALIDATE": "true"}
    with subprocess.Popen(
        COMMAND, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        said = re.fullmatch(r"simulators ready at (http://127\.0\.0\.1:\d+)\n", line)
        assert said is not None
        assert httpx.get(f"{said[1]}/_control/health").json() == {"ok": True}
        assert httpx.get(f"{said[1]}/_control/violations").json()["validating"] is True
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert errors == ""


def test_a_used_port_gets_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=20, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert done.stderr.count("\n") == 1


def test_a_grid_window_starts_anew_at_its_multiples() -> None:
    window = GridWindow(2, 10)
    assert [window.take(19.0), window.take(19.5), window.take(19.9)] == [True, True, False]
    assert (window.remaining(19.9), window.resets_at(19.9)) == (0, 20)
    assert window.take(20.0)


def test_a_rolling_window_forgets_calls_one_by_one() -> None:
    window = RollingWindow(2, 10)
    assert [window.take(t) for t in (0.0, 5.0, 9.9, 10.0, 10.1)] == [True, True, False, True, False]
    assert window.remaining(15.0) == 1
