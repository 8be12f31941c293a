"""Waiting for what happens elsewhere: look again and again, until a deadline.

Never a sleep of a guessed length.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

WITHIN_S = 20.0
STARTS_WITHIN_S = 60.0  # a process: some seconds, more where the machine has much else to do
EACH_S = 0.02  # seldom enough for what is looked at, often enough for who waits


async def until(
    look: Callable[[], Any],
    within_s: float = WITHIN_S,
    what: str = "what was waited for",
    each_s: float = EACH_S,
) -> Any:
    """The first true answer of a look, plain or awaited. The deadline ends a look that hangs, too.

    Raises:
        AssertionError: there was none in time; says what.

    """
    try:
        async with asyncio.timeout(within_s):
            while True:
                found = look()
                if inspect.isawaitable(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(each_s)
    except TimeoutError as error:
        raise AssertionError(f"not within {within_s:g} s: {what}") from error


def wait_until(
    look: Callable[[], T | None],
    within_s: float = WITHIN_S,
    what: str | Callable[[], str] = "what was waited for",
    each_s: float = EACH_S,
) -> T:
    """The same, blocking; `what` may be asked for only when it is needed.

    Raises:
        AssertionError: there was no true answer in time; says what.

    """
    deadline = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {within_s:g} s: {said}")
        time.sleep(each_s)
    return found
