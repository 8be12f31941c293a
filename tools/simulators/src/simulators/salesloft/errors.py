"""Salesloft's error answers. The body of a 429 is not documented; here it has none."""

from starlette.responses import Response

from simulators.vendor import Refusal, answer


def error(status: int, text: str) -> Response:
    return answer({"error": text}, status)


def invalid(field: str, text: str) -> Response:
    return answer({"errors": {field: [text]}}, 422)


def not_found() -> Response:
    """Missing, deleted, or outside the user's visibility: one answer for all."""
    return error(404, "Not Found")


def oauth_error(word: str, text: str, status: int = 401) -> Response:
    return answer({"error": word, "error_description": text}, status)


def refusal(kind: Refusal) -> Response:
    if kind == "429":
        headers = {"x-ratelimit-endpoint-cost": "1", "x-ratelimit-remaining-minute": "0"}
        return Response(status_code=429, headers=headers)
    if kind == "403":
        return error(403, "Forbidden")
    if kind == "500":
        return error(500, "Internal Server Error")
    return error(401, "Invalid Bearer token")
