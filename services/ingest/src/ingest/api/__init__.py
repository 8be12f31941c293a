"""HTTP in: Intercom's webhooks, its inbox, and other front ends' actions."""

from common import tracing
from common.request_spans import RequestSpans
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from ingest.api.actions import ActionEndpoint
from ingest.api.canvas import CanvasEndpoints
from ingest.api.openapi import openapi
from ingest.api.problems import http_problem, unexpected_problem
from ingest.api.webhooks import WebhookEndpoint
from ingest.config import IngestConfig
from ingest.handlers import Ingest
from ingest.inbox import Inbox


def new_api(ingest: Ingest, inbox: Inbox, config: IngestConfig) -> Starlette:
    """The public listener's application."""
    webhooks = WebhookEndpoint(ingest, config.ingest_body_max_bytes, config.read_timeout)
    actions = ActionEndpoint(ingest, config.ingest_body_max_bytes, config.read_timeout)
    canvas = CanvasEndpoints(inbox, config.ingest_body_max_bytes, config.read_timeout)
    routes = [
        Route("/webhooks/intercom", webhooks.head, methods=["HEAD"]),
        Route("/webhooks/intercom", webhooks.post, methods=["POST"]),
        Route("/canvas/initialize", canvas.initialize, methods=["POST"]),
        Route("/canvas/submit", canvas.submit, methods=["POST"]),
        Route("/v1/actions", actions.post, methods=["POST"]),
        Route("/openapi.json", openapi, methods=["GET"]),
    ]
    recorder, paths = tracing.recorder, frozenset(route.path for route in routes)
    return Starlette(
        routes=routes,
        middleware=[Middleware(RequestSpans, recorder, paths)] if recorder else [],
        exception_handlers={HTTPException: http_problem, Exception: unexpected_problem},
    )
