"""Calls over HTTP against servers that trickle, stall, redirect, compress and overdo it."""

import asyncio
import gzip
import socket
import struct
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from common import http
from common.http import AnswerTooLarge, Caller, Calls, Through, new_client

SHORT = timedelta(seconds=0.3)
AMPLE = timedelta(seconds=5)


@pytest.fixture(params=["directly", "through httpx"])
async def calls(request: pytest.FixtureRequest) -> AsyncIterator[Calls]:
    direct = request.param == "directly"
    calls: Calls = Caller() if direct else Through(new_client(max_connections=5))
    yield calls
    await calls.aclose()


@pytest.fixture
def deaf_address() -> Iterator[str]:
    """An address where connecting never ends: its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for caller in callers:
            caller.close()


async def _request_line(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head.splitlines()[0]


def _ok(body: bytes, headers: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n" + headers + b"\r\n" + body


async def test_an_answer_comes_back_whole(calls: Calls, serve_raw: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(_ok(b'{"a": 1}', b"X-Two: 1\r\nX-Two: 2\r\nX-Name: \xe9\r\n"))
        await writer.drain()

    url = await serve_raw(answer)
    response = await calls.call("GET", url, AMPLE, headers={})
    assert (response.status_code, response.json()) == (200, {"a": 1})
    assert response.headers.get_list("x-two") == ["1", "2"]


async def test_the_deadline_ends_a_body_that_trickles(calls: Calls, serve_raw: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    url = await serve_raw(answer)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await calls.call("GET", url, SHORT, headers={})
    assert time.monotonic() - began < 1


async def test_an_answer_past_its_limit_is_not_read_to_the_end(
    calls: Calls, serve_raw: Any
) -> None:
    sent = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await _request_line(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent += 65_536

    url = await serve_raw(answer)
    with pytest.raises(AnswerTooLarge):
        await calls.call("GET", url, AMPLE, headers={}, max_bytes=100_000)
    assert sent < 50_000_000


async def test_a_compressed_answer_is_read_and_its_limit_is_that_of_the_text(
    calls: Calls, serve_raw: Any
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(_ok(gzip.compress(b"x" * 1_000_000), b"Content-Encoding: gzip\r\n"))
        await writer.drain()

    url = await serve_raw(answer)
    whole = await calls.call("GET", url, AMPLE, headers={})
    assert len(whole.content) == 1_000_000
    with pytest.raises(AnswerTooLarge):
        await calls.call("GET", url, AMPLE, headers={}, max_bytes=999_999)


async def test_an_answer_that_cannot_be_unpacked_is_an_error(calls: Calls, serve_raw: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(_ok(b"no gzip at all", b"Content-Encoding: gzip\r\n"))
        await writer.drain()

    with pytest.raises(httpx.HTTPError):
        await calls.call("GET", await serve_raw(answer), AMPLE, headers={})


async def test_a_small_answer_that_unpacks_to_very_much_is_cut_and_never_held(
    calls: Calls, serve_raw: Any
) -> None:
    zeros, packer = bytes(2**20), zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(zeros) for _ in range(200)) + packer.flush()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(_ok(packed, b"Content-Encoding: gzip\r\n"))
        await writer.drain()

    url = await serve_raw(answer)
    tracemalloc.start()
    with pytest.raises(AnswerTooLarge):
        await calls.call("GET", url, AMPLE, headers={}, max_bytes=10**6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20


async def test_an_answer_cut_off_is_an_error(calls: Calls, serve_raw: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await writer.drain()

    url = await serve_raw(answer)
    with pytest.raises(httpx.HTTPError):
        await calls.call("GET", url, AMPLE, headers={})


async def test_no_redirect_is_followed_and_no_proxy_taken_from_the_environment(
    calls: Calls, serve_raw: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await _request_line(reader))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    url = await serve_raw(answer)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    response = await calls.call("GET", url, AMPLE, headers={})
    assert response.status_code == 302
    assert asked == [b"GET / HTTP/1.1"]


async def test_a_refused_connection_is_a_connect_error(calls: Calls) -> None:
    with pytest.raises(httpx.ConnectError):
        await calls.call("GET", "http://127.0.0.1:9", AMPLE, headers={})


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_connection_lost_after_the_request_is_no_connect_error(
    method: str, calls: Calls, serve_raw: Any
) -> None:
    """Whoever wrote must not take it for a request that was never sent."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)

    url = await serve_raw(answer)
    with pytest.raises(httpx.ReadError):
        await calls.call(method, url, AMPLE, headers={})


async def test_a_connection_reset_after_the_request_is_no_connect_error(
    calls: Calls, serve_raw: Any
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    url = await serve_raw(answer)
    with pytest.raises(httpx.ReadError):
        await calls.call("POST", url, AMPLE, headers={}, body="x")


@pytest.mark.parametrize("make", [Caller, lambda: Through(new_client())])
async def test_connecting_that_never_ends_is_a_connect_error(
    make: Callable[[], Calls], deaf_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_S", 0.2)
    calls = make()
    with pytest.raises(httpx.ConnectError):
        await calls.call("GET", deaf_address, AMPLE, headers={})
    await calls.aclose()


async def test_healthy_calls_work_after_many_were_cancelled(
    calls: Calls, serve_raw: Any, deaf_address: str
) -> None:
    """Cancelled while connecting, while reading, and while waiting for one of five connections."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line = await _request_line(reader)
            if b"/stalls" in line:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
                await writer.drain()
                await reader.read()  # until the caller hangs up
                return
            writer.write(_ok(b"well"))
            await writer.drain()

    url = await serve_raw(answer)

    async def cancelled(address: str) -> None:
        with pytest.raises(TimeoutError):
            await calls.call("GET", address, SHORT, headers={})

    for _ in range(2):
        await asyncio.gather(
            *(cancelled(f"{url}/stalls") for _ in range(60)),
            *(cancelled(deaf_address) for _ in range(60)),
        )
    for _ in range(3):
        healthy = await asyncio.gather(
            *(calls.call("GET", f"{url}/ok", AMPLE, headers={}) for _ in range(10))
        )
        assert [response.content for response in healthy] == [b"well"] * 10


async def test_a_body_without_a_length_ends_with_its_connection(
    calls: Calls, serve_raw: Any
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        await writer.drain()

    answered = await calls.call("GET", await serve_raw(answer), AMPLE, headers={})
    assert answered.content == b"all of it"


async def test_a_body_in_pieces_is_put_together_and_the_connection_used_again(
    calls: Calls, serve_raw: Any
) -> None:
    opened = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while True:
            await _request_line(reader)
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n")
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(b"5\r\nof it\r\n0\r\n\r\n")
            await writer.drain()

    url = await serve_raw(answer)
    for _ in range(3):
        answered = await calls.call("GET", url, AMPLE, headers={})
        assert (answered.status_code, answered.content) == (200, b"all of it")
    assert opened == 1


async def test_headers_without_an_end_are_cut(calls: Calls, serve_raw: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _request_line(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()

    url = await serve_raw(answer)
    with pytest.raises(httpx.HTTPError):
        await calls.call("GET", url, AMPLE, headers={})


@pytest.mark.parametrize(("method", "asked"), [("GET", 3), ("POST", 2)])
async def test_only_what_may_be_repeated_is_sent_again_when_a_kept_connection_was_lost(
    method: str, asked: int, serve_raw: Any
) -> None:
    lines = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await _request_line(reader))
        writer.write(_ok(b"well"))
        await writer.drain()
        lines.append(await _request_line(reader))  # and hangs up

    caller, url = Caller(), await serve_raw(answer)
    await caller.call(method, url, AMPLE, headers={})
    if method == "GET":
        assert (await caller.call(method, url, AMPLE, headers={})).content == b"well"
    else:
        with pytest.raises(httpx.ReadError):
            await caller.call(method, url, AMPLE, headers={})
    assert len(lines) == asked
    await caller.aclose()


async def test_no_line_can_be_slipped_into_a_request(serve_raw: Any) -> None:
    lines = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await _request_line(reader))

    caller, url = Caller(), await serve_raw(answer)
    with pytest.raises(ValueError, match="injection"):
        await caller.call("GET", url, AMPLE, headers={"X": "1\r\nY: 2"})
    assert not any(lines)
    await caller.aclose()


async def test_a_connection_serves_one_call_after_the_other(serve_raw: Any) -> None:
    """Another call may have it before whoever had it before goes on."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line = await _request_line(reader)
            await asyncio.sleep(0)
            writer.write(_ok(line))
            await writer.drain()

    caller, url = Caller(), await serve_raw(answer)

    async def lane(name: int) -> None:
        for number in range(30):
            path = f"/{name}/{number}"
            response = await caller.call("GET", f"{url}{path}", AMPLE, headers={})
            assert response.content == f"GET {path} HTTP/1.1".encode()

    await asyncio.gather(*map(lane, range(20)))
    await caller.aclose()
