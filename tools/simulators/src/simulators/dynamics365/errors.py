"""Dataverse's and Entra ID's error answers. Codes are hex texts, at times empty."""

import uuid

from starlette.responses import Response

from simulators.vendor import Refusal, answer

RETRY_AFTER_S = 17  # Dataverse says how long; a figure of its own shows that it is obeyed
TOO_MANY = "0x80072322"


def error(status: int, code: str, message: str) -> Response:
    return answer({"error": {"code": code, "message": message}}, status)


def bad_request(message: str) -> Response:
    return error(400, "0x80060888", message)


def not_found(logical: str, row_id: str) -> Response:
    name = logical.capitalize()
    return error(404, "0x80040217", f"{name} With Id = {row_id} Does Not Exist")


def exists_already() -> Response:
    return error(412, "0x80060892", "A record with matching key values already exists.")


def too_many(retry_after_s: int = RETRY_AFTER_S) -> Response:
    refused = error(
        429,
        TOO_MANY,
        "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
    )
    refused.headers["Retry-After"] = str(retry_after_s)
    return refused


def refusal(kind: Refusal) -> Response:
    if kind == "429":
        return too_many()
    if kind == "403":
        return error(403, "0x80040220", "SecLib::AccessCheckEx failed. User lacks privilege.")
    if kind == "500":
        return error(500, "", "An unexpected error occurred.")
    refused = error(401, "", "Unauthorized")
    refused.headers["WWW-Authenticate"] = 'Bearer authorization_uri="https://login.example"'
    return refused


def entra_error(word: str, number: int, message: str) -> Response:
    body = {
        "error": word,
        "error_description": f"AADSTS{number}: {message}",
        "error_codes": [number],
        "timestamp": "2026-11-22 10:15:00Z",
        "trace_id": str(uuid.uuid4()),
        "correlation_id": str(uuid.uuid4()),
    }
    return answer(body, 400)
