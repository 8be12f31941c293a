"""Calling other systems over HTTP: a total deadline per call, bounded answers.

`send` goes through an httpx client. `Caller` speaks to aiohttp directly, for whoever makes hundreds
of calls a second: what httpx does around a call costs as much as the call.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp
import httpx
import yarl
from httpx_aiohttp import AiohttpTransport

from common import tracing

CONNECT_TIMEOUT_S = 5.0
ANSWER_MAX_BYTES = 16 * 1024 * 1024
_NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


# Of the body on its way only.
_ON_ITS_WAY: Final = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class AnswerTooLarge(httpx.HTTPError):
    """The body went past its limit; the rest was not read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller of hundreds reads; httpx's own costs several times as much to make."""

    status_code: int
    headers: httpx.Headers  # without those of the body on its way
    content: bytes

    def json(self) -> Any:
        """Raises ValueError."""
        return json.loads(self.content)


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
        headers=_as_read(response.headers.raw),
        content=bytes(body),
        request=request,
    )


def _as_read(headers: Iterable[tuple[bytes, bytes]]) -> httpx.Headers:
    """As bytes: a header need not be ASCII."""
    return httpx.Headers([pair for pair in headers if pair[0].lower() not in _ON_ITS_WAY])


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
    """One pool of connections per host, with no bound of its own: callers bound their calls."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

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
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            headers = {**headers, "Content-Type": "application/json"}
        try:
            with tracing.calling(method, where.host) as span:
                async with (
                    asyncio.timeout(deadline.total_seconds()),
                    self._opened().request(
                        method, where, headers=headers, data=content, allow_redirects=False
                    ) as answer,
                ):
                    read = await _read(answer, max_bytes)
                if span is not None:
                    span.set_attribute("http.response.status_code", answer.status)
        except _NEVER_CONNECTED:
            raise httpx.ConnectError("no connection") from None
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError):
            raise httpx.ReadError("the connection was lost") from None
        return Answer(answer.status, _as_read(answer.raw_headers), read)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=httpx.create_ssl_context()),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


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


async def _read(answer: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    read = bytearray()
    while chunk := await answer.content.readany():
        read += chunk
        if len(read) > max_bytes:
            answer.close()  # the rest is not read: the connection cannot be used again
            raise AnswerTooLarge(f"over {max_bytes} bytes")
    return bytes(read)
