"""HTTP/1.1 from the caller's side: connections to one origin, each serving one call at a time.

httptools (Node's parser) reads answers, aiohappyeyeballs finds an address that connects, the event
loop does TLS. What is left is whose turn a connection is: it is used again only after an answer
that was read to its end. A call that ends in any other way takes its connection with it, so what
is cancelled leaves nothing behind.
"""

import asyncio
import json
import socket
import ssl
import zlib
from dataclasses import dataclass
from typing import Any, Final, cast

import aiohappyeyeballs
import httptools
import httpx

KEPT_IDLE_S: Final = 15.0  # servers close idle connections too, some after 20 s
# Headers, and what stands between the pieces of a body: nothing else bounds these.
BESIDE_BODY_MAX_BYTES: Final = 1024 * 1024
_OTHER_ADDRESS_AFTER_S: Final = 0.25  # as RFC 8305 recommends
_GZIP: Final = 16 + zlib.MAX_WBITS
# Of the body on its way only.
_ON_ITS_WAY: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class AnswerTooLarge(httpx.HTTPError):
    """The body went past its limit; the rest was not read."""


class LostUnanswered(httpx.ReadError):
    """The connection was lost before anything of the answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    status_code: int
    headers: httpx.Headers  # without those of the body on its way
    content: bytes

    def json(self) -> Any:
        """Raises ValueError."""
        return json.loads(self.content)


def as_read(headers: list[tuple[bytes, bytes]]) -> httpx.Headers:
    """As bytes: a header need not be ASCII."""
    return httpx.Headers([pair for pair in headers if pair[0].lower() not in _ON_ITS_WAY])


class Connections:
    """To one origin, as many as there are calls at once."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._idle: dict[_Connection, float] = {}  # since when, by the loop's clock; oldest first
        self._open: set[_Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    async def exchange(
        self,
        request: bytes,
        ends_at: float,
        connect_within_s: float,
        max_bytes: int,
        *,
        again: bool,
    ) -> Answer:
        """Send the request as it stands and read its answer.

        Args:
            request: head and body.
            ends_at: by the loop's clock; all of it.
            connect_within_s: part of it.
            max_bytes: of the body, unpacked.
            again: it may be sent twice, where a connection that had lain idle turns out lost.

        Raises:
            TimeoutError: past `ends_at`; the server may have acted on the request.
            httpx.HTTPError: no complete answer; unless it is a ConnectError, the server may have
                acted.

        """
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_closing:
                continue
            try:
                return await connection.exchange(request, ends_at, max_bytes)
            except LostUnanswered:
                if not again:
                    raise
        fresh = await self._connected(ends_at, connect_within_s)
        return await fresh.exchange(request, ends_at, max_bytes)

    def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self._open):
            connection.abort()

    def opened(self, connection: "_Connection") -> None:
        self._open.add(connection)

    def keep(self, connection: "_Connection") -> None:
        """It may serve the next call."""
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.time()
        if self._sweeping is None:
            self._sweeping = loop.call_later(KEPT_IDLE_S, self._sweep)

    def lost(self, connection: "_Connection") -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def _sweep(self) -> None:
        loop, self._sweeping = asyncio.get_running_loop(), None
        while self._idle:
            connection, since = next(iter(self._idle.items()))
            left = since + KEPT_IDLE_S - loop.time()
            if left > 0:
                self._sweeping = loop.call_later(left, self._sweep)
                return
            del self._idle[connection]
            connection.abort()

    async def _connected(self, ends_at: float, within_s: float) -> "_Connection":
        loop = asyncio.get_running_loop()
        left = ends_at - loop.time()
        try:
            async with asyncio.timeout(min(left, within_s)):
                found = await loop.getaddrinfo(
                    self._host, self._port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
                )
                sock = await aiohappyeyeballs.start_connection(
                    found, happy_eyeballs_delay=_OTHER_ADDRESS_AFTER_S, interleave=1, loop=loop
                )
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, loop),
                    sock=sock,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls else None,
                )
        except TimeoutError:
            if left <= within_s:
                raise
            raise httpx.ConnectError("no connection") from None
        except OSError:
            raise httpx.ConnectError("no connection") from None
        return connection


class _Connection(asyncio.Protocol):
    """Also what httptools calls with the parts of an answer."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._connections = connections
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None  # None: no call is under way
        self._max_bytes = 0
        self._begin()

    def _begin(self) -> None:
        self._beside_body = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._until_closed = False  # the end of the body is that of the connection
        self._body = bytearray()
        self._unpack: Any = None

    async def exchange(self, request: bytes, ends_at: float, max_bytes: int) -> Answer:
        self._begin()
        self._max_bytes = max_bytes
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._answer = answer
        timer = self._loop.call_at(ends_at, self._cut, answer)
        self._transport.write(request)
        try:
            return await answer
        finally:
            timer.cancel()
            if answer.cancelled():
                self._cut(answer)

    @property
    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nobody asked
            self._transport.abort()
            return
        self._beside_body += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("not an answer"))
        if self._beside_body > BESIDE_BODY_MAX_BYTES:
            self._fail(AnswerTooLarge("beside its body"))

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.lost(self)
        if self._until_closed and error is None:
            self.on_message_complete()
        lost = httpx.ReadError if self._beside_body else LostUnanswered
        self._fail(lost("the connection was lost"))

    # What the parser says. It goes on with what has come, whatever was made of it.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        given = {name.lower(): value.strip().lower() for name, value in self._headers}
        self._until_closed = not (
            status in (204, 304)
            or b"content-length" in given
            or b"chunked" in given.get(b"transfer-encoding", b"")
        )
        packed = given.get(b"content-encoding", b"identity")
        if packed in (b"gzip", b"x-gzip"):
            self._unpack = zlib.decompressobj(_GZIP)
        elif packed != b"identity":
            self._fail(httpx.DecodingError("packed in a way that was not asked for"))

    def on_body(self, data: bytes) -> None:
        self._beside_body -= len(data)
        if self._answer is None:
            return
        if self._unpack is not None:
            if self._unpack.eof:
                self._fail(httpx.DecodingError("more behind the end of what was packed"))
                return
            try:
                data = self._unpack.decompress(data, self._max_bytes - len(self._body) + 1)
            except zlib.error:
                self._fail(httpx.DecodingError("cannot be unpacked"))
                return
        self._body += data
        if len(self._body) > self._max_bytes:
            self._fail(AnswerTooLarge(f"over {self._max_bytes} bytes"))

    def on_message_complete(self) -> None:
        answer, status = self._answer, self._parser.get_status_code()
        if status < 200:  # the answer is still to come
            self._headers = []
            return
        if answer is None or answer.done():
            return
        if self._unpack is not None and self._body and not self._unpack.eof:
            self._fail(httpx.DecodingError("packed, and cut off"))
            return
        self._answer = None
        answer.set_result(Answer(status, as_read(self._headers), bytes(self._body)))
        sent = not self._transport.get_write_buffer_size()
        if sent and not self._until_closed and self._parser.should_keep_alive():
            self._connections.keep(self)
        else:
            self._transport.close()

    def _cut(self, answer: asyncio.Future[Answer]) -> None:
        """The call has ended; by now the connection may serve another one."""
        if self._answer is answer:
            self._fail(TimeoutError())

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        self._transport.abort()
