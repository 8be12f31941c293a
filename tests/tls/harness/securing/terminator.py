"""TLS in front of a PostgreSQL that speaks none."""

import asyncio
import contextlib
import ssl
import struct
import threading
from pathlib import Path

from devstack.ports import free_port


class Terminator:
    """TLS in front of PostgreSQL, in its protocol's own words: the packaged one is built without.

    On a loop of its own: tests may block theirs while services connect.
    """

    SSL_REQUEST = struct.pack(">ii", 8, 80_877_103)

    def __init__(self, certificate: Path, key: Path) -> None:
        self.port = free_port()
        self.behind = 0
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._thread: threading.Thread | None = None

    def start(self, behind: int) -> None:
        self.behind = behind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        try:
            server = self._loop.run_until_complete(
                asyncio.start_server(self._serve, "127.0.0.1", self.port)
            )
            self._loop.run_forever()
            server.close()
            self._loop.run_until_complete(_end_all_others())
        finally:
            self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                if await reader.readexactly(8) != self.SSL_REQUEST:
                    return  # over TLS or not at all
                writer.write(b"S")
                await writer.start_tls(self._context)
                there = await asyncio.open_connection("127.0.0.1", self.behind)
                try:
                    pumps = [_pump(reader, there[1]), _pump(there[0], writer)]
                    jobs = [asyncio.ensure_future(pump) for pump in pumps]
                    await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                    for job in jobs:
                        job.cancel()
                    await asyncio.gather(*jobs, return_exceptions=True)
                finally:
                    there[1].close()
            finally:
                writer.close()


async def _end_all_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
