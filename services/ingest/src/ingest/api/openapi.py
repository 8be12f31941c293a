"""`GET /openapi.json`: the description of this API, written once at import."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.domain.action import Action

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "422: which field breaks which rule.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def _refusals(sentences: dict[str, str]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": sentence,
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, sentence in sentences.items()
    }


_BODY_REFUSALS: Final = {
    "408": "The body did not arrive within 5 seconds (configurable).",
    "413": "The body is longer than 1 MiB (configurable).",
    "415": "The body is compressed.",
}


def description() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(Action, "validation")], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lull ingest",
            "version": "1",
            "description": "Intercom's webhooks and our apps' significant actions come in here.",
        },
        "paths": {
            "/webhooks/intercom": {"head": _HEAD, "post": _WEBHOOK},
            "/v1/actions": {"post": _ACTION},
        },
        "components": {
            "schemas": {**schemas["$defs"], "Problem": _PROBLEM},
            "securitySchemes": {
                "serviceToken": {"type": "http", "scheme": "bearer"},
                "intercomSignature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Hub-Signature",
                    "description": "`sha1=` and the hex HMAC-SHA1 of the raw body.",
                },
            },
        },
    }


_HEAD: Final = {
    "operationId": "probeWebhooks",
    "summary": "Intercom's check when the address is saved",
    "responses": {"200": {"description": "Here."}},
}
_WEBHOOK: Final = {
    "operationId": "receiveWebhook",
    "summary": "A notification of Intercom",
    "description": "Answered 200 once its event is stored, or when it calls for none.",
    "security": [{"intercomSignature": []}],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "responses": {
        "200": {"description": "Stored, or nothing to do."},
        **_refusals(
            {
                "400": "Not a JSON object, or ids and times that cannot be used.",
                "401": "Not signed with the app's client secret.",
                **_BODY_REFUSALS,
                "503": "Could not be stored within 2 seconds; send it again.",
            }
        ),
    },
}
_ACTION: Final = {
    "operationId": "postAction",
    "summary": "A significant action: sync this conversation to this app's CRM at once",
    "description": "May be sent again with the same `action_id`: the event id is the same, and "
    "the action is done once only.",
    "security": [{"serviceToken": []}],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Action"}}},
    },
    "responses": {
        "202": {
            "description": "Stored; the outcome follows on the topic `delivery.outcome`.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["event_id"],
                        "properties": {"event_id": {"type": "string", "format": "uuid"}},
                    }
                }
            },
        },
        **_refusals(
            {
                "400": "Not a JSON object.",
                "401": "No valid service token.",
                **_BODY_REFUSALS,
                "422": "A field is missing, unknown or not valid.",
                "503": "Could not be stored within 2 seconds; send it again.",
            }
        ),
    },
}

_DESCRIPTION: Final = description()


async def openapi(_: Request) -> Response:
    return JSONResponse(_DESCRIPTION)
