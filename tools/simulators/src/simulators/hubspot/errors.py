"""HubSpot's error answers."""

import uuid
from typing import Any

from starlette.responses import Response

from simulators.vendor import Refusal, answer


def error(
    status: int, category: str, message: str, *details: dict[str, Any], context: Any = None
) -> Response:
    body: dict[str, Any] = {
        "status": "error",
        "message": message,
        "correlationId": str(uuid.uuid4()),
        "category": category,
    }
    if details:
        body["errors"] = list(details)
    if context:
        body["context"] = context
    return answer(body, status)


def validation(message: str, code: str, name: str) -> Response:
    return error(
        400,
        "VALIDATION_ERROR",
        f"Property values were not valid: {message}",
        {"message": message, "code": code, "context": {"propertyName": [name]}},
    )


def not_found(object_id: str) -> Response:
    return error(
        404,
        "OBJECT_NOT_FOUND",
        "Object not found. objectId are usually numeric.",
        context={"id": [object_id]},
    )


def oauth_error(status: str, word: str, message: str) -> Response:
    body = {"error": word, "error_description": message, "status": status, "message": message}
    return answer(body, 400)


def too_many(policy: str, *, search: bool) -> Response:
    name = "secondly" if search else "ten_secondly_rolling"
    return answer(
        {
            "status": "error",
            "message": f"You have reached your {name} limit.",
            "errorType": "RATE_LIMIT",
            "correlationId": str(uuid.uuid4()),
            "policyName": policy,
            "groupName": "publicapi:crm:search" if search else "publicapi:private-apps:oauth",
        },
        429,
    )


def refusal(kind: Refusal) -> Response:
    if kind == "429":
        return too_many("TEN_SECONDLY_ROLLING", search=False)
    if kind == "403":
        return error(
            403,
            "MISSING_SCOPES",
            "This app hasn't been granted all required scopes to make this call.",
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": ["crm.objects.contacts.write"]},
            },
        )
    if kind == "500":
        return error(500, "INTERNAL_ERROR", "internal error")
    return error(
        401,
        "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication.",
    )


def expired() -> Response:
    return error(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")
