"""Errors as RFC 9457 problems: a stable `code` for programs, a title for people, never a value."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from common import log
from common.peers import PeerUnavailable
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from settings.domain.authorizations import Refusal
from settings.handlers.access import ReconnectNeeded
from settings.handlers.connecting import AppNotOffered, AuthorizationRefused
from settings.handlers.leaving import NotTheVendor
from settings.handlers.options import UnknownActivityType
from settings.ports.faults import (
    NotInstalled,
    StoreUnavailable,
    TokenUnreadable,
    UnknownWorkspace,
    VendorUnavailable,
)

_log = log.get(__name__)

_STORE_RETRY_S = 1
_VENDOR_RETRY_S = 5

REFUSALS: dict[Refusal, str] = {
    Refusal.STATE_UNKNOWN: "this authorization is not under way, or was completed already",
    Refusal.STATE_EXPIRED: "this authorization took too long; start it again",
    Refusal.STATE_OF_ANOTHER_VENDOR: "this authorization belongs to another vendor",
    Refusal.STATE_OF_ANOTHER_BROWSER: "this authorization was started in another browser",
    Refusal.NOT_THE_ADMIN: "only the workspace's admin may connect an app",
    Refusal.DENIED: "the authorization was not granted",
    Refusal.CODE_MISSING: "the vendor sent no code",
    Refusal.CODE_REFUSED: "the vendor refuses the code; start again",
    Refusal.UNKNOWN_REGION: "the workspace lies in a region that is not configured",
    Refusal.HOST_NOT_ALLOWED: "the vendor names an API host that is not allowed",
    Refusal.SEVERAL_ACCOUNTS: "this sign-in opens several accounts, and none was named",
}


_PLAIN: dict[type[Exception], tuple[int, str, str]] = {
    NotInstalled: (404, "not_installed", "not installed"),
    NotTheVendor: (401, "not_the_vendor", "this notice does not prove to be the vendor's"),
    UnknownWorkspace: (404, "unknown_workspace", "unknown workspace"),
    AppNotOffered: (404, "app_not_offered", "this app is not offered here"),
    PeerUnavailable: (
        503,
        "delivery_unavailable",
        "delivery does not answer, or LULL_SETTINGS_DELIVERY_TOKEN is not set; ask again",
    ),
    ReconnectNeeded: (409, "reconnect_needed", "the admin must connect this account again"),
}


class Problem(BaseModel):
    """RFC 9457; `code` is stable, `title` may be reworded."""

    type: str = Field(examples=["urn:lull:problem:not_installed"])
    title: str = Field(examples=["not installed"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["not_installed"])
    errors: list[dict[str, Any]] | None = None


def problem(
    status: int,
    code: str,
    title: str,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:lull:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
    }
    if errors is not None:
        body["errors"] = errors
    return JSONResponse(
        body,
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type="application/problem+json",
    )


def handle_problems(app: FastAPI) -> None:
    """Turn what handlers raise into problems."""

    @app.exception_handler(UnknownActivityType)
    async def unknown_type(_: Request, error: UnknownActivityType) -> Response:
        return problem(409, "unknown_activity_type", str(error))

    async def plain(_: Request, error: Exception) -> Response:
        return problem(*_PLAIN[type(error)])

    for kind in _PLAIN:
        app.add_exception_handler(kind, plain)

    @app.exception_handler(AuthorizationRefused)
    async def refused(_: Request, error: AuthorizationRefused) -> Response:
        return problem(400, error.refusal, REFUSALS[error.refusal])

    @app.exception_handler(VendorUnavailable)
    async def vendor_unavailable(_: Request, error: VendorUnavailable) -> Response:
        wait_s = error.retry_after.total_seconds() if error.retry_after else _VENDOR_RETRY_S
        return problem(
            503,
            "vendor_unavailable",
            "the vendor cannot be asked now",
            {"Retry-After": str(max(1, int(wait_s)))},
        )

    @app.exception_handler(StoreUnavailable)
    async def store_unavailable(_: Request, error: StoreUnavailable) -> Response:
        if isinstance(error, TokenUnreadable):
            _log.critical("token.unreadable", reason=str(error))
        return problem(
            503,
            "store_unavailable",
            "the database cannot be asked now",
            {"Retry-After": str(_STORE_RETRY_S)},
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        # Never the input itself: it may hold a secret sent to the wrong field.
        faults = [
            {"at": ".".join(map(str, fault["loc"])), "fault": fault["type"]}
            for fault in error.errors()
        ]
        return problem(422, "invalid_request", "the request is not valid", errors=faults)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code = status.phrase.lower().replace(" ", "_").replace("-", "_")
        return problem(error.status_code, code, status.phrase.lower(), error.headers)

    @app.exception_handler(Exception)
    async def unexpected(_: Request, __: Exception) -> Response:
        return problem(500, "internal_error", "something went wrong here; it has been logged")


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for its description."""
    return {
        code: {
            "model": Problem,
            "description": HTTPStatus(code).phrase,
            "content": {"application/problem+json": {}},
        }
        for code in (*codes, 401, 422, 503)
    }
