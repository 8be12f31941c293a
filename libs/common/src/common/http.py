"""Calling other systems over HTTP: a total deadline per call, bounded answers."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

CONNECT_TIMEOUT_S = 5.0
ANSWER_MAX_BYTES = 16 * 1024 * 1024


class AnswerTooLarge(httpx.HTTPError):
    """The body went past its limit; the rest was not read."""


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
    headers = [  # as bytes: a header need not be ASCII
        (name, value)
        for name, value in response.headers.raw
        if name.lower() not in (b"content-encoding", b"content-length", b"transfer-encoding")
    ]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=request
    )


def _lost_connection(error: httpx.ConnectTimeout) -> httpx.HTTPError:
    """The transport says so of refused, slow and reset connections alike; its cause tells.

    Only where no connection came about was nothing sent.
    """
    never_connected = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    if isinstance(error.__cause__, never_connected):
        return httpx.ConnectError("no connection")
    return httpx.ReadError("the connection was lost")


def _by_what_was_sent(error: httpx.TransportError) -> httpx.TransportError:
    """ConnectError only where nothing of the request can have reached the server.

    The transport says ConnectTimeout of a refused connection and of one that the server closed
    after it had read the request, alike. Only its cause tells them apart.
    """
    if isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return httpx.ConnectError("no connection")
    return httpx.ReadError("the connection was lost")
