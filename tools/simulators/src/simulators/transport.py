"""A way to cut a connection under a response: faults need what ASGI has no word for."""

import asyncio
import socket
import struct
from contextvars import ContextVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_TRANSPORT: ContextVar[asyncio.Transport] = ContextVar("transport")


class CuttableProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's own protocol; each request's task finds its transport in the context."""

    def data_received(self, data: bytes) -> None:
        _TRANSPORT.set(self.transport)
        super().data_received(data)


async def reset_connection() -> None:
    """TCP reset: with a linger time of 0, close sends RST instead of FIN."""
    transport = _TRANSPORT.get()
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _until_closed()


async def end_connection() -> None:
    """Send what was written, then close, whatever Content-Length promised."""
    _TRANSPORT.get().close()
    await _until_closed()


async def _until_closed() -> None:
    # connection_lost runs in a later turn of the loop; until then uvicorn would answer 500 itself
    for _ in range(3):
        await asyncio.sleep(0)
