"""A service's life as a process: a clean end on SIGTERM, a loud one when a loop dies."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = """
import asyncio, sys
from starlette.applications import Starlette
from common import log, service
from common.health import Health

async def steady(stop):
    await stop.wait()

async def dies(stop):
    await asyncio.sleep(0.05)
    raise ValueError("canary in the error")

async def returns(stop):
    await asyncio.sleep(0.05)

async def deaf(stop):
    await asyncio.sleep(3600)

async def closing():
    print("closed", flush=True)

service.GRACE_S = 0.3
loop, port = sys.argv[1:] if len(sys.argv) > 1 else ({loop!r}, {port})
health = Health("test")
health.loop(loop)
log.configure("test", "info")
service.run(service.serve(
    health,
    [service.Listener("public", health.app(), "127.0.0.1", int(port))],
    {{loop: globals()[loop]}},
    closing,
))
"""

Start = Callable[..., subprocess.Popen[str]]


def _program(loop: str, port: int = 0) -> str:
    return PROGRAM.format(loop=loop, port=port)


def _first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=10)
    return process.returncode, output


def test_the_first_line_says_where_it_listens_and_it_does(start_program: Start) -> None:
    process = start_program(_program("steady"))
    started = _first_line(process)
    assert started["event"] == "service.started"
    with urllib.request.urlopen(f"{started['public']}/healthz", timeout=5) as answer:  # noqa: S310
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    code, output = _end(process)
    assert code == 0
    assert output.index("service.stopping") < output.index("closed")
    assert output.index("closed") < output.index("service.stopped")


def test_sigint_ends_it_as_well(start_program: Start) -> None:
    process = start_program(_program("steady"))
    _first_line(process)
    process.send_signal(signal.SIGINT)
    assert _end(process)[0] == 0


def test_a_dying_loop_ends_the_process_with_an_error_and_without_its_message(
    start_program: Start,
) -> None:
    code, output = _end(start_program(_program("dies")))
    assert code == 1
    assert "service.loop_died" in output
    assert "ValueError" in output
    assert "closed" in output
    assert "canary" not in output


def test_a_loop_that_returns_unasked_ends_the_process_with_an_error(start_program: Start) -> None:
    code, output = _end(start_program(_program("returns")))
    assert code == 1
    assert "service.loop_died" in output


def test_a_loop_that_does_not_end_is_cut_off(start_program: Start) -> None:
    process = start_program(_program("deaf"))
    _first_line(process)
    process.send_signal(signal.SIGTERM)
    code, output = _end(process)
    assert code == 0
    assert "service.loop_cut_off" in output


def test_a_service_leaves_no_core_file_with_its_memory(start_program: Start) -> None:
    process = start_program(_program("steady"))
    _first_line(process)
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    process.send_signal(signal.SIGABRT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGABRT


def test_a_port_in_use_is_one_sentence(start_program: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output = _end(start_program(_program("steady", port)))
    assert code == 1
    assert output.strip().splitlines() == [
        f"public: cannot listen on 127.0.0.1:{port} (Address already in use); set another port"
    ]


async def test_nothing_is_left_of_the_port_after_the_end(start_program: Start) -> None:
    process = start_program(_program("steady"))
    port = int(_first_line(process)["public"].rpartition(":")[2])
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait, 10)
    assert process.stdout is not None
    process.stdout.close()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
