"""Reading a request's raw body: never more than is allowed, never for longer than is allowed."""

import asyncio
from datetime import timedelta

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

# The rest of a refused body is not read, so the connection cannot be used again.
_CLOSE = {"Connection": "close"}


async def read_body(request: Request, max_bytes: int, timeout: timedelta) -> bytes:
    """The body's bytes as they came.

    Raises:
        HTTPException: 415 compressed, 413 too long, 408 too slow, 400 cut off.

    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, "Compressed bodies are not accepted.", _CLOSE)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > max_bytes:
        raise _too_long(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_long(max_bytes)
    except TimeoutError:
        raise HTTPException(408, "The body did not arrive in time.", _CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "The body was cut off.", _CLOSE) from None
    return bytes(body)


def _too_long(max_bytes: int) -> HTTPException:
    return HTTPException(413, f"The body is longer than {max_bytes} bytes.", _CLOSE)
