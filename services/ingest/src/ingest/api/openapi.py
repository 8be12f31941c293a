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


def _canvas(operation: str, summary: str) -> dict[str, Any]:
    """Their bodies and answers are described by Intercom: Canvas Kit."""
    body = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "security": [{"canvasSignature": []}],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {"description": "A canvas.", "content": body},
            **_refusals(
                {
                    "400": "Not a request of Canvas Kit's for the inbox.",
                    "401": "Not signed with the app's client secret.",
                    **_BODY_REFUSALS,
                }
            ),
        },
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
            "description": "Intercom's webhooks, its inbox's requests for our card, and other "
            "front ends' significant actions come in here. What stands under `/v1` changes "
            "additively.",
        },
        "paths": {
            "/webhooks/intercom": {"head": _HEAD, "post": _WEBHOOK},
            "/canvas/initialize": {"post": _canvas("openCard", "Intercom's inbox asks for a card")},
            "/canvas/submit": {"post": _canvas("pressCard", "A button of the card was pressed")},
            "/v1/actions": {"post": _ACTION},
        },
        "components": {
            "schemas": {**schemas["$defs"], "Problem": _PROBLEM},
            "securitySchemes": {
                "serviceToken": {"type": "http", "scheme": "bearer"},
                "canvasSignature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Body-Signature",
                    "description": "The hex HMAC-SHA256 of the raw body, nothing before it.",
                },
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
_EXAMPLE: Final = {
    "action_id": "deal-8731",
    "workspace_id": "wk9demo1",
    "conversation_id": "215470000000001",
    "app": "hubspot",
    "kind": "create_deal",
    "actor_id": "5001",
    "person": {"kind": "contact", "id": "501"},
}
_ACTION: Final = {
    "operationId": "postAction",
    "summary": "A significant action: sync this conversation to this app's CRM at once",
    "description": "For front ends that have done the action in the CRM themselves. Each app has a "
    "token of its own. May be sent again with the same `action_id` and values: the event id is the "
    "same, and the conversation is synced for it once only.",
    "security": [{"serviceToken": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Action"},
                "examples": {
                    "deal": {
                        "summary": "A deal was made for a contact that is known",
                        "value": _EXAMPLE,
                    },
                    "note": {
                        "summary": "A note; Lull looks for the contact itself",
                        "value": {
                            name: "add_note" if name == "kind" else value
                            for name, value in _EXAMPLE.items()
                            if name != "person"
                        },
                    },
                },
            }
        },
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
                    },
                    "example": {"event_id": "0f0a6f4e-5d0c-5f2b-9a51-0d6a7f1f9c3e"},
                }
            },
        },
        **_refusals(
            {
                "400": "Not a JSON object.",
                "401": "No valid service token.",
                "403": "The token is another app's.",
                "409": "The `action_id` was used before, with other values: they are compared "
                "where LULL_INGEST_DELIVERY_URL is set.",
                **_BODY_REFUSALS,
                "422": "A field is missing, unknown or not valid.",
                "503": "Could not be compared or stored in time; send it again.",
            }
        ),
    },
}

_DESCRIPTION: Final = description()


async def openapi(_: Request) -> Response:
    return JSONResponse(_DESCRIPTION)
