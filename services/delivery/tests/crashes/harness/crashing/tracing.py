"""The await points of an attempt, found by stepping each of its tasks by hand.

A point is where our code stands while it waits, the time of passing it in this attempt, and
whether what it waits for has only been begun or has just ended.
"""

import asyncio
import os
import signal
import types
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import common
import delivery

_OURS = {Path(package.__path__[0]): package.__name__ for package in (common, delivery)}


ANY = 0


class Point(NamedTuple):
    place: str  # `the attempt's own code > our innermost frame`
    turn: int  # ANY: whichever comes first
    phase: Literal["begun", "ended"]


class Tracer:
    """Makes tasks that note their points, and that end this process at one of them.

    Args:
        fatal: None: only note them.

    """

    def __init__(self, fatal: Point | None) -> None:
        self._fatal = fatal
        self._turns = Counter[str]()
        self.points: list[Point] = []

    def task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> "asyncio.Task[Any]":
        """A task factory."""
        return asyncio.Task(self._run(coroutine), loop=loop, **options)

    async def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return await self._step(coroutine)

    @types.coroutine
    def _step(self, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                waits_for = coroutine.throw(error) if error else coroutine.send(answer)
            except StopIteration as end:
                return end.value
            place = _place(coroutine)
            turn = self._turns[place] = self._turns[place] + 1
            self._pass(place, turn, "begun")
            try:
                answer, error = (yield waits_for), None
            except BaseException as raised:  # noqa: BLE001 - the coroutine's to handle
                answer, error = None, raised
            self._pass(place, turn, "ended")

    def _pass(self, place: str, turn: int, phase: Literal["begun", "ended"]) -> None:
        if not place:
            return
        point = Point(place, turn, phase)
        if self._fatal in (point, Point(place, ANY, phase)):
            os.kill(os.getpid(), signal.SIGKILL)
        self.points.append(point)


def _place(coroutine: Any) -> str:
    ours = [named for frame in _frames(coroutine) if (named := _named(frame)) is not None]
    if not ours:
        return ""
    deciding = [
        named for named in ours if named.startswith("delivery/") and "adapters" not in named
    ]
    return " > ".join(dict.fromkeys((*deciding[-1:], ours[-1])))


def _named(frame: types.FrameType) -> str | None:
    file = Path(frame.f_code.co_filename)
    for folder, name in _OURS.items():
        if file.is_relative_to(folder):
            return f"{name}/{file.relative_to(folder)}:{frame.f_lineno} {frame.f_code.co_name}"
    return None


def _frames(awaited: Any) -> Iterator[types.FrameType]:
    """From a task's coroutine to what it waits for in the end."""
    while awaited is not None:
        for kind in ("cr", "ag", "gi"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                inner = getattr(awaited, f"{kind}_{'yieldfrom' if kind == 'gi' else 'await'}")
                awaited = _entered(frame) or inner
                break
        else:
            return


def _entered(frame: types.FrameType) -> Any:
    """A generator that is a context manager hides behind an object that shows nothing."""
    if Path(frame.f_code.co_filename).name == "contextlib.py":
        return getattr(frame.f_locals.get("self"), "gen", None)
    return None
