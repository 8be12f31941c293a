"""Refusals as problem+json (RFC 9457): a fixed sentence, never a part of the request."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(
        body, status_code=status, headers=headers, media_type="application/problem+json"
    )


def http_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem(500, "Something went wrong here.")
    return problem(error.status_code, error.detail, error.headers)


def unexpected_problem(_: Request, __: Exception) -> Response:
    return problem(500, "Something went wrong here.")
