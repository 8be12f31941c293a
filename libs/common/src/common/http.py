"""Calling other systems over HTTP: a total deadline per call, bounded answers."""

import asyncio
from datetime import timedelta
from typing import Any

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
        response = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > max_bytes:
                    raise AnswerTooLarge(f"over {max_bytes} bytes")
        finally:
            await response.aclose()
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=request
    )
