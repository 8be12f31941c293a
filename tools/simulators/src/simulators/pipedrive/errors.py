"""Pipedrive's error answers. The texts of 429 and 5xx are not documented."""

from starlette.responses import Response

from simulators.vendor import Refusal, answer

INFO = "Please check developers.pipedrive.com"


def error(status: int, text: str, code: str | None = None) -> Response:
    body: dict[str, object] = {
        "success": False,
        "error": text,
        "error_info": INFO,
        "data": None,
        "additional_data": None,
    }
    if code is not None:
        body["code"] = code
    return answer(body, status)


def bad_request(text: str) -> Response:
    """As v2 validation says it."""
    return answer({"success": False, "error": text, "code": "ERR_BAD_REQUEST"}, 400)


def unauthorized() -> Response:
    body = {
        "success": False,
        "error": "unauthorized access",
        "errorCode": 401,
        "error_info": INFO,
    }
    return answer(body, 401)


def oauth_error(word: str, message: str, status: int = 400) -> Response:
    return answer({"success": False, "message": message, "error": word}, status)


def refusal(kind: Refusal) -> Response:
    if kind == "429":
        return error(429, "request over limit")
    if kind == "403":
        return error(403, "Scope and URL mismatch")
    if kind == "500":
        return error(500, "Internal server error")
    return unauthorized()
