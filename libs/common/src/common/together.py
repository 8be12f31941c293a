"""Asked for one by one, done together: what comes while one turn is under way goes into the next.

So a call that is alone goes at once, and under load a turn carries many: one transaction, one
request. Nothing waits for a timer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from common import log

_log = log.get(__name__)

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    answer: "asyncio.Future[Answer]"


class Together(Generic[Asked, Answer]):
    """Hands what was asked to `serve`, in the order in which it was asked.

    Args:
        serve: answers each, or an exception in its place. If it raises, all of the turn get that;
            of a failure that it does not expect, each alone may be the cause, so each is then
            tried alone.
        expected: what `serve` may raise for reasons that are nobody's own.
        at_once: how many a turn may carry.

    """

    def __init__(
        self,
        serve: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer | Exception]]],
        *,
        expected: type[Exception],
        at_once: int = 200,
    ) -> None:
        self._serve = serve
        self._expected = expected
        self._at_once = at_once
        self._waiting: list[_Waiting[Asked, Answer]] = []
        self._turns: asyncio.Task[None] | None = None

    async def __call__(self, asked: Asked) -> Answer:
        return await self.post(asked)

    def post(self, asked: Asked) -> "asyncio.Future[Answer]":
        """Ask without waiting."""
        waiting = _Waiting[Asked, Answer](asked, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns())
        return waiting.answer

    async def aclose(self) -> None:
        """Wait for the turns under way."""
        if self._turns is not None:
            await self._turns

    async def _take_turns(self) -> None:
        while self._waiting:
            turn, self._waiting = self._waiting[: self._at_once], self._waiting[self._at_once :]
            await self._turn([one for one in turn if not one.answer.done()])

    async def _turn(self, turn: Sequence[_Waiting[Asked, Answer]]) -> None:
        if not turn:  # whoever asked was cut off meanwhile
            return
        try:
            answers = await self._serve([one.asked for one in turn])
        except self._expected as error:
            answers = [error] * len(turn)
        except Exception as error:  # noqa: BLE001 - whoever waits must not wait for ever
            if len(turn) > 1:
                for one in turn:
                    await self._turn([one])
                return
            _log.error("together.surprised", exc_info=error)
            answers = [error]
        for one, answer in zip(turn, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)
