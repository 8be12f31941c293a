"""What is asked for while a turn is under way goes together into the next, each with its answer."""

import asyncio
from collections.abc import Sequence

import pytest
from common.together import Together


class AwayError(Exception):
    pass


class Server:
    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.go = asyncio.Event()
        self.away = False

    async def serve(self, asked: Sequence[int]) -> list[int | Exception]:
        self.turns.append(list(asked))
        await self.go.wait()
        if self.away:
            raise AwayError
        if 13 in asked:
            raise KeyError(13)
        return [KeyError(number) if number == 7 else number * 2 for number in asked]


async def test_one_alone_goes_at_once_and_those_that_come_meanwhile_go_together() -> None:
    server = Server()
    together = Together(server.serve, expected=AwayError, at_once=3)
    tasks = [asyncio.create_task(together(number)) for number in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.go.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10]
    assert [number for turn in server.turns for number in turn] == list(range(6))
    assert max(map(len, server.turns)) <= 3 < 6
    assert len(server.turns) < 6
    assert await together(9) == 18


async def test_each_gets_its_own_failure_and_all_share_one_of_the_turn() -> None:
    server = Server()
    server.go.set()
    together = Together(server.serve, expected=AwayError)
    ends = await asyncio.gather(together(6), together(7), together(8), return_exceptions=True)
    assert list(ends[::2]) == [12, 16]
    assert isinstance(ends[1], KeyError)
    server.away = True
    away = await asyncio.gather(together(1), together(2), return_exceptions=True)
    assert [type(end) for end in away] == [AwayError, AwayError]


async def test_one_that_breaks_the_turn_does_not_take_the_others_along() -> None:
    server = Server()
    server.go.set()
    together = Together(server.serve, expected=AwayError)
    ends = await asyncio.gather(together(1), together(13), together(2), return_exceptions=True)
    assert list(ends[::2]) == [2, 4]
    assert isinstance(ends[1], KeyError)


async def test_whoever_was_cut_off_is_not_served_and_holds_nobody_up() -> None:
    server = Server()
    together = Together(server.serve, expected=AwayError)
    first = asyncio.create_task(together(1))
    await asyncio.sleep(0)
    cut, last = asyncio.create_task(together(2)), asyncio.create_task(together(3))
    await asyncio.sleep(0)
    cut.cancel()
    await asyncio.sleep(0)
    server.go.set()
    assert list(await asyncio.gather(first, last)) == [2, 6]
    with pytest.raises(asyncio.CancelledError):
        await cut
    assert server.turns == [[1], [3]]
