"""`POST /v1/actions`: another front end tells of a significant action that it did (R1)."""

from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.api.body import read_body
from ingest.api.problems import problem
from ingest.domain.action import Action
from ingest.domain.strict_json import Malformed, parse_object
from ingest.handlers import Ingest, OtherAction
from ingest.ports import Unavailable

_actions = Counter("lull_ingest_actions_total", "Actions taken", ["app", "kind"])
_refused = Counter("lull_ingest_actions_refused_total", "Actions refused", ["status"])


@dataclass(frozen=True, slots=True)
class ActionEndpoint:
    ingest: Ingest
    body_max_bytes: int
    read_timeout: timedelta

    async def post(self, request: Request) -> Response:
        answer = await self._answer(request)
        if answer.status_code != 202:
            _refused.labels(str(answer.status_code)).inc()
        return answer

    async def _answer(self, request: Request) -> Response:
        # Who may not call is told so before a byte of the body is read.
        apps = self.ingest.apps_of(request.headers.get("authorization"))
        if not apps:
            return problem(
                401,
                "A service token is needed: `Authorization: Bearer <token>`.",
                {"WWW-Authenticate": "Bearer", "Connection": "close"},
            )
        try:
            body = await read_body(request, self.body_max_bytes, self.read_timeout)
            action = Action.model_validate(parse_object(body))
            if action.app not in apps:
                return problem(403, "This token is another app's.")
            event_id = await self.ingest.act(action)
        except Malformed as error:
            return problem(400, f"The body is not accepted: {error}.")
        except ValidationError as error:
            return problem(422, "Some fields are missing or not valid.", errors=_faults(error))
        except OtherAction:
            return problem(409, "This action_id was used before, with other values.")
        except Unavailable:
            return problem(503, "The action could not be stored; please send it again.")
        _actions.labels(action.app, action.kind).inc()
        return JSONResponse({"event_id": event_id}, status_code=202)


def _faults(error: ValidationError) -> list[dict[str, str]]:
    """Field and rule, without the value given."""
    return [
        {"field": ".".join(map(str, fault["loc"])), "message": fault["msg"]}
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    ]
