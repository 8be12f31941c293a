"""Logs of a real process: JSON lines, and no exception's message in any of its words."""

import json
import subprocess
from collections.abc import Callable

PROGRAM = """
import asyncio, logging, warnings
from common import log

log.configure("test", "info")
logger = log.get("test.module")
logger.info("note.written", conversation_id="7")
logger.debug("not.shown")

def fail():
    raise ValueError("canary one")

try:
    fail()
except ValueError:
    logger.exception("attempt.failed", conversation_id="8")
    logging.getLogger("some.library").exception("library failed")
    logging.getLogger("some.library").error("library failed", exc_info=True, stack_info=False)
try:
    fail()
except ValueError as error:
    logger.warning("attempt.again", exc_info=error)

async def main():
    asyncio.get_running_loop().set_exception_handler(log.log_lost_error)
    async def lost():
        raise ValueError("canary two")
    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    import gc; gc.collect()

asyncio.run(main())

def thread():
    raise ValueError("canary six")
import threading
started = threading.Thread(target=thread)
started.start()
started.join()

class Lost:
    def __repr__(self):
        return "canary seven"
    def __del__(self):
        raise ValueError("canary eight")
Lost()
warnings.warn("canary nine")
logging.getLogger("httpx").info("GET https://canary.example/three")
logger.info("line\\nbreak", other="a\\r\\nb")
raise RuntimeError("canary four") from KeyError("canary five")
"""


def test_no_message_of_an_exception_appears_and_every_line_is_json(
    start_program: Callable[[str], subprocess.Popen[str]],
) -> None:
    output, _ = start_program(PROGRAM).communicate(timeout=20)
    assert "canary" not in output
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["event"] for line in lines] == [
        "note.written",
        "attempt.failed",
        "library failed",
        "library failed",
        "attempt.again",
        "asyncio.error_lost",
        "thread.crashed",
        "error.lost",
        "python.warning",
        "line\nbreak",
        "process.crashed",
    ]
    failed = lines[1]
    assert (failed["error"], failed["level"], failed["service"]) == ("ValueError", "error", "test")
    assert failed["at_line"][-1].endswith(":fail")
    assert lines[2]["error"] == lines[4]["error"] == lines[5]["error"] == "ValueError"
    assert lines[6]["error"] == lines[7]["error"] == "ValueError"
    assert lines[8]["category"] == "UserWarning"
    assert lines[10]["error"] == "RuntimeError"


NOBODY_READS = """
import os, sys
from common import log

log.configure("test", "info")
reading, writing = os.pipe()
os.dup2(writing, 1)
os.close(reading)
log.get("test.module").info("nobody.hears")
sys.stderr.write("went on")
"""


def test_a_service_goes_on_when_nobody_takes_its_lines(
    start_program: Callable[[str], subprocess.Popen[str]],
) -> None:
    said, _ = start_program(NOBODY_READS).communicate(timeout=20)
    assert "went on" in said
