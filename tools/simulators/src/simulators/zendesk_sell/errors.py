"""Sell's error answers: a list of errors, each in an envelope of its own."""

import uuid
from http import HTTPStatus

from starlette.responses import Response

from simulators.vendor import Refusal, answer


def error(
    status: int,
    code: str,
    message: str,
    *,
    resource: str | None = None,
    field: str | None = None,
) -> Response:
    said = {"code": code, "message": message, "details": message}
    said |= {name: text for name, text in (("resource", resource), ("field", field)) if text}
    reference = uuid.uuid4().hex
    body = {
        "errors": [{"error": said}],
        "meta": {
            "type": "errors_collection",
            "http_status": f"{status} {HTTPStatus(status).phrase}",
            "logref": reference,
            "links": {"more_info": "https://developers.getbase.com/docs/rest/articles/errors"},
        },
    }
    return answer(body, status, {"X-Request-Id": reference})


def invalid(code: str, resource: str, field: str, message: str) -> Response:
    return error(422, code, message, resource=resource, field=f"/data/{field}")


def not_found(resource: str) -> Response:
    return error(404, "not_found", "Resource can not be found", resource=resource)


def oauth_error(word: str, text: str, status: int = 400) -> Response:
    return answer({"error": word, "error_description": text}, status)


def refusal(kind: Refusal) -> Response:
    if kind == "429":
        # The vendor's own app does not count on the usual envelope here, so it is not sent.
        return answer({"errors": "rate_limit_exceeded"}, 429)
    if kind == "403":
        return error(403, "insufficient_scope", "The token has not the needed scope")
    if kind == "500":
        return error(500, "server_error", "Something went wrong")
    return error(401, "invalid_token", "The access token is invalid, expired or revoked")
