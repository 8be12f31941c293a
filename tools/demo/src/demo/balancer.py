"""Several replicas behind one address, as an ingress or a Service has them: TCP, in turn.

A replica that takes no connection is passed over, so a restart is not noticed by new ones.
"""

import asyncio
import contextlib
import threading
from collections.abc import Mapping, Sequence
from itertools import count

_CHUNK = 65_536


class Balancer:
    """On a thread of its own; `stop` ends it and all connections."""

    def __init__(self, routes: Mapping[int, Sequence[int]]) -> None:
        """Nothing listens yet.

        Args:
            routes: from the port that others know to those of the replicas.

        """
        self._routes = routes
        self._turns = count()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    def start(self) -> None:
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        self._ending = asyncio.Event()
        servers = [
            await asyncio.start_server(self._to(replicas), "127.0.0.1", port)
            for port, replicas in self._routes.items()
        ]
        self._listening.set()
        await self._ending.wait()
        for server in servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _to(self, replicas: Sequence[int]):  # type: ignore[no-untyped-def]
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there = await self._connected(replicas)
            try:
                if there is not None:
                    await _both_ways(reader, writer, *there)
            finally:
                for end in (writer, *(there or ())[1:]):
                    end.close()

        return serve

    async def _connected(
        self, replicas: Sequence[int]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        first = next(self._turns)
        for turn in range(len(replicas)):
            with contextlib.suppress(OSError):
                port = replicas[(first + turn) % len(replicas)]
                return await asyncio.open_connection("127.0.0.1", port)
        return None


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there: asyncio.StreamReader,
    to_there: asyncio.StreamWriter,
) -> None:
    jobs = [asyncio.create_task(_pump(reader, to_there)), asyncio.create_task(_pump(there, writer))]
    try:
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
