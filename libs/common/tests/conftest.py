"""What common's tests share: small programs run as processes, and a server that misbehaves."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="session")
def start_program() -> Callable[..., subprocess.Popen[str]]:
    """Run a few lines of Python as a process of their own; both streams come back as one."""

    def start(program: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@pytest.fixture
async def serve_raw() -> AsyncIterator[Callable[[Answering], Awaitable[str]]]:
    """Serve raw connections with the given function; answers with the base URL."""
    servers: list[asyncio.Server] = []

    async def serve(answering: Answering) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await answering(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the caller hung up, which is what these tests are about
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield serve
    for server in servers:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
