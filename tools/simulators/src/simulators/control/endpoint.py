"""How a control call is read, and how it fails: with one sentence that says what was wrong."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Given = TypeVar("Given", bound=BaseModel)
Endpoint = Callable[[Request], Awaitable[object]]


class ControlError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def missing(what: str, name: str) -> ControlError:
    return ControlError(404, f"no such {what}: {name}")


async def read(request: Request, kind: type[Given]) -> Given:
    """The body as `kind`; an empty one is {}.

    Raises:
        ControlError: it is not.

    """
    body = await request.body()
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise ControlError(400, said(error)) from error


def said(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in e['loc']) or 'body'}: {e['msg']}" for e in error.errors()
    )


def route(method: str, path: str, endpoint: Endpoint) -> Route:
    """A route whose endpoint returns what is to be sent as JSON."""

    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await endpoint(request))
        except ControlError as error:
            return JSONResponse({"error": str(error)}, error.status)

    return Route(path, answer, methods=[method])
