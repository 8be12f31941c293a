"""What the gate needs of a simulated vendor. A new CRM is one folder that implements this."""

from typing import Literal, Protocol

from starlette.responses import JSONResponse, Response

from simulators.http import Call

Refusal = Literal["429", "401", "403", "500", "revoked"]


class Vendor(Protocol):
    name: str

    def account_of(self, call: Call) -> str | None:
        """Hub id, company domain or workspace id that the call is about, where it can be told."""

    def handle(self, call: Call) -> Response: ...

    def refusal(self, kind: Refusal, call: Call) -> Response:
        """How this vendor says it."""

    def revoke(self, account: str) -> int:
        """End all grants of the account."""


def bad_gateway() -> Response:
    """What a proxy in front of a vendor answers: HTML, whatever was asked for."""
    page = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
    return Response(page, 502, media_type="text/html")


def echo(said: str, status: int) -> Response:
    """A refusal that repeats what it was given, in every field that some vendor's errors have.

    Nobody's wire format: the worst that an error could hold of a conversation, or of a secret.
    """
    words = ("message", "error", "error_info", "error_description", "category", "correlationId")
    body: dict[str, object] = dict.fromkeys(words, said)
    body["errors"] = [{"code": said, "message": said}]
    one_line = " ".join(said.encode("ascii", "replace").decode().split())[:4000]
    return answer(body, status, {"Retry-After": one_line, "X-Request-Id": one_line})


def no_content() -> Response:
    return Response(status_code=204)


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers)
