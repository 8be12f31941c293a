"""Calling other systems over HTTP: a total deadline per call, bounded answers.

`send` goes through an httpx client. `Caller` is for whoever makes hundreds of calls a second: what
httpx and aiohttp do around a call costs several times the call.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp
import httpx
import yarl
from httpx_aiohttp import AiohttpTransport

from common import tracing
from common.http1 import Answer, AnswerTooLarge, Connections, as_read

CONNECT_TIMEOUT_S = 5.0
ANSWER_MAX_BYTES = 16 * 1024 * 1024
# Sent twice where a connection turns out lost, they do no more than sent once.
_REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})
_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

__all__ = ["Answer", "AnswerTooLarge", "Caller", "Calls", "Through", "new_client", "send"]


def new_client(
    base_url: str = "", *, max_connections: int = 100, **options: Any
) -> httpx.AsyncClient:
    """A client that follows no redirects and reads no proxy settings of its own.

    httpx on aiohttp's transport: httpx's own pool can be left poisoned by cancelled requests,
    and deadlines cancel.
    """
    return httpx.AsyncClient(
        base_url=base_url,
        transport=AiohttpTransport(limits=httpx.Limits(max_connections=max_connections)),
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        follow_redirects=False,
        trust_env=False,
        **options,
    )


async def send(
    client: httpx.AsyncClient,
    request: httpx.Request,
    deadline: timedelta,
    max_bytes: int = ANSWER_MAX_BYTES,
) -> httpx.Response:
    """Send and read the whole answer within one deadline.

    A per-read time-out never ends a body that trickles, so the deadline is over everything.

    Raises:
        TimeoutError: past the deadline; the server may have acted on the request.
        httpx.HTTPError: no complete answer; unless it is a ConnectError, the server may have acted.

    """
    async with asyncio.timeout(deadline.total_seconds()):
        try:
            response = await client.send(request, stream=True)
        except httpx.ConnectTimeout as error:
            raise _lost_connection(error) from error
        except aiohttp.ClientError as error:  # what the transport has no word for: not HTTP at all
            raise httpx.RemoteProtocolError("not an answer") from error
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > max_bytes:
                    raise AnswerTooLarge(f"over {max_bytes} bytes")
        finally:
            await response.aclose()
    return httpx.Response(
        response.status_code,
        headers=as_read(response.headers.raw),
        content=bytes(body),
        request=request,
    )


def _lost_connection(error: httpx.ConnectTimeout) -> httpx.HTTPError:
    """The transport says so of refused, slow and reset connections alike; its cause tells.

    Only where no connection came about was nothing sent.
    """
    if isinstance(error.__cause__, _NEVER_CONNECTED):
        return httpx.ConnectError("no connection")
    return httpx.ReadError("the connection was lost")


class Calls(Protocol):
    """Whoever makes calls; as `Caller`, or `Through` an httpx client."""

    async def call(
        self,
        method: str,
        url: str,
        deadline: timedelta,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: object = None,
        max_bytes: int = ANSWER_MAX_BYTES,
    ) -> Answer:
        """Send and read the whole answer within one deadline.

        Args:
            url: escaped already.
            body: sent as JSON; None: nothing.

        Raises:
            TimeoutError, httpx.HTTPError: as `send`.

        """
        ...

    async def aclose(self) -> None: ...


class Caller:
    """Connections per origin, with no bound of their own: callers bound their calls."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, str | None, int | None], Connections] = {}
        self._tls: ssl.SSLContext | None = None

    async def aclose(self) -> None:
        for connections in self._origins.values():
            connections.close()

    async def call(
        self,
        method: str,
        url: str,
        deadline: timedelta,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: object = None,
        max_bytes: int = ANSWER_MAX_BYTES,
    ) -> Answer:
        where = yarl.URL(f"{url}?{urlencode(query)}" if query else url, encoded=True)
        request = _request(method, where, headers, body)
        with tracing.calling(method, where.host) as span:
            answer = await self._to(where).exchange(
                request,
                asyncio.get_running_loop().time() + deadline.total_seconds(),
                CONNECT_TIMEOUT_S,
                max_bytes,
                again=method in _REPEATABLE,
            )
            if span is not None:
                span.set_attribute("http.response.status_code", answer.status_code)
        return answer

    def _to(self, where: yarl.URL) -> Connections:
        origin = (where.scheme, where.raw_host, where.port)
        connections = self._origins.get(origin)
        if connections is None:
            scheme, host, port = origin
            if scheme not in ("http", "https") or not host or port is None:
                raise httpx.UnsupportedProtocol("neither http nor https")
            if scheme == "https" and self._tls is None:
                self._tls = httpx.create_ssl_context()
            connections = Connections(host, port, self._tls if scheme == "https" else None)
            self._origins[origin] = connections
        return connections


def _request(method: str, where: yarl.URL, headers: Mapping[str, str], body: object) -> bytes:
    """Head and body. Raises ValueError where a value would end its line."""
    lines = [
        f"{method} {where.raw_path_qs} HTTP/1.1",
        f"Host: {where.host_port_subcomponent}",
        "User-Agent: lull",
        "Accept-Encoding: gzip",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    content = b""
    if body is not None:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        lines.append("Content-Type: application/json")
    if content or method not in ("GET", "DELETE"):
        lines.append(f"Content-Length: {len(content)}")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        raise ValueError("a line end within a line of the head")
    return b"%b\r\n\r\n%b" % (head.encode(), content)


class Through:
    """Calls through an httpx client, such as one with a transport of its own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def aclose(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        url: str,
        deadline: timedelta,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        body: object = None,
        max_bytes: int = ANSWER_MAX_BYTES,
    ) -> Answer:
        request = self._client.build_request(
            method, url, headers=dict(headers), params=query, json=body
        )
        answer = await send(self._client, request, deadline, max_bytes)
        return Answer(answer.status_code, answer.headers, answer.content)
