"""The way in to a vendor: reads the request, delays, applies faults, answers, keeps the journal."""

import asyncio
import time
from email.utils import formatdate

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from simulators.faults import WRITES_FIRST, Fault
from simulators.http import MAX_BODY, Call
from simulators.transport import end_connection, reset_connection
from simulators.vendor import Refusal, Vendor, bad_gateway, echo
from simulators.world import World

NO_ANSWER = 0
LONGEST_SILENCE_S = 600

_REFUSED: dict[str, Refusal] = {
    "429": "429", "401": "401", "403": "403", "500_before": "500", "revoked": "revoked",
}  # fmt: skip


class Gate:
    """An ASGI application to be mounted at the vendor's root."""

    def __init__(self, world: World, vendor: Vendor) -> None:
        self._world = world
        self._vendor = vendor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        call = await self._read(scope, receive)
        world, name = self._world, self._vendor.name
        account = self._vendor.account_of(call)
        fault = world.faults.take(name, account, call.method, call.path)
        status = NO_ANSWER
        try:
            if latency_ms := world.knobs.latency_ms[name]:
                await asyncio.sleep(latency_ms / 1000)
            response = self._respond(call, account, fault)
            if response is not None:
                response.headers["Date"] = formatdate(world.clock.now(), usegmt=True)
                status = response.status_code
            status = await _deliver(response, fault, scope, receive, send)
        finally:
            world.journal.record(
                at=call.now,
                vendor=name,
                account=account,
                method=call.method,
                path=call.path,
                status=status,
                latency_ms=(time.perf_counter() - started) * 1000,
                fault=fault.spec.kind if fault else None,
            )

    async def _read(self, scope: Scope, receive: Receive) -> Call:
        body = bytearray()
        more = True
        while more and len(body) <= MAX_BODY:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = Request(scope)
        root = scope.get("root_path", "")
        return Call(
            method=scope["method"],
            path=scope["path"].removeprefix(root) or "/",
            query=QueryParams(scope["query_string"]),
            headers=Headers(scope=scope),
            body=bytes(body),
            base_url=self._world.public_url(request) + root,
            now=self._world.clock.now(),
        )

    def _respond(self, call: Call, account: str | None, fault: Fault | None) -> Response | None:
        """The vendor's answer, or None when a fault leaves nothing to send and nothing done."""
        kind = fault.spec.kind if fault else None
        if kind is None or kind in WRITES_FIRST:
            response = self._vendor.handle(call)
            self._world.check(self._vendor.name, call, response)
            if kind == "500_after":
                response = self._vendor.refusal("500", call)
        elif kind in _REFUSED:
            if kind == "revoked" and account is not None:
                self._vendor.revoke(account)
            response = self._vendor.refusal(_REFUSED[kind], call)
        elif kind == "html_502":
            response = bad_gateway()
        elif kind == "echo" and fault is not None:
            # Of a read, what it would have answered; nothing is written.
            said = bytes(self._vendor.handle(call).body) if call.method == "GET" else call.body
            response = echo(said.decode(errors="replace"), fault.spec.status)
        else:  # timeout, reset
            return None
        if fault is not None:
            response.headers.update(fault.spec.headers)
        return response


async def _deliver(
    response: Response | None, fault: Fault | None, scope: Scope, receive: Receive, send: Send
) -> int:
    """Send the answer in the way the fault wants it. Returns the status the caller saw."""
    kind = fault.spec.kind if fault else None
    if kind in ("timeout", "timeout_after"):
        await _stay_silent(receive)
        return NO_ANSWER
    if response is None or kind == "reset_after":
        await reset_connection()
        return NO_ANSWER
    if kind == "slow" and fault is not None:
        await asyncio.sleep(fault.delay_s)
    if kind == "cut_body":
        await _send_half(response, send)
    elif kind == "late_body" and fault is not None:
        await _send_head(response, send)
        await asyncio.sleep(fault.delay_s)
        await send({"type": "http.response.body", "body": response.body})
    elif kind == "trickle" and fault is not None:
        await _send_slowly(response, fault.delay_s, send, receive)
    else:
        await response(scope, receive, send)
    return response.status_code


async def _stay_silent(receive: Receive) -> None:
    """Until the caller hangs up."""
    try:
        async with asyncio.timeout(LONGEST_SILENCE_S):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        await reset_connection()


async def _send_half(response: Response, send: Send) -> None:
    await _send_head(response, send)
    half = bytes(response.body)[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await end_connection()


async def _send_slowly(response: Response, pause_s: float, send: Send, receive: Receive) -> None:
    await _send_head(response, send)
    gone = asyncio.ensure_future(_stay_silent(receive))
    try:
        for byte in bytes(response.body):
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.wait([gone], timeout=pause_s)
            if gone.done():
                return
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _send_head(response: Response, send: Send) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
    )
