"""Keap's error answers: the application's own, and those of the gateway in front of it."""

from http import HTTPStatus

from starlette.responses import Response

from simulators.vendor import Refusal, answer

QUOTA, SPIKE = "policies.ratelimit.QuotaViolation", "policies.ratelimit.SpikeArrestViolation"


def error(status: int, message: str, resource: str = "") -> Response:
    details = [{"domain": "keap", "resource": resource}] if resource else []
    name = HTTPStatus(status).name
    return answer({"code": status, "message": message, "status": name, "details": details}, status)


def not_found(kind: str, record_id: str) -> Response:
    return error(404, f"{kind} not found", record_id)


def fault(status: int, text: str, code: str) -> Response:
    """What the gateway (Apigee) says."""
    return answer({"fault": {"faultstring": text, "detail": {"errorcode": code}}}, status)


def day_is_spent() -> Response:
    body = {"code": "429", "message": "Quota Exceeded", "status": "Request Throttled"}
    return answer({**body, "details": None}, 429)


def minute_is_spent() -> Response:
    text = "Rate limit quota violation. Quota limit exceeded. Identifier : product"
    return fault(429, text, QUOTA)


def spike() -> Response:
    """No header comes with it."""
    return fault(429, "Spike arrest violation. Allowed rate : MessageRate{25 per 1s}", SPIKE)


def unauthorized(code: str = "keymanagement.service.invalid_access_token") -> Response:
    expired = code.endswith("expired")
    return fault(401, "Access Token expired" if expired else "Invalid Access Token", code)


def oauth_error(word: str, text: str, status: int = 400) -> Response:
    return answer({"error": word, "error_description": text}, status)


def refusal(kind: Refusal) -> Response:
    if kind == "429":
        return minute_is_spent()
    if kind == "403":
        return error(403, "Access denied")
    if kind == "500":
        return error(500, "Internal error")
    return unauthorized()
