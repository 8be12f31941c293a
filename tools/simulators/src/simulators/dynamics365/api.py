"""Dynamics 365 as callers meet it: sign-in and discovery, then one host per environment."""

from starlette.responses import Response

from simulators.dynamics365 import entra, queries, writes
from simulators.dynamics365.caller import Caller
from simulators.dynamics365.errors import bad_request, entra_error, error, refusal, too_many
from simulators.dynamics365.store import WINDOW_S
from simulators.http import Call, RefusedError, Routes
from simulators.vendor import Refusal
from simulators.world import World

_routes: Routes[Caller] = queries.routes.joined(writes.routes)


class Dynamics365:
    name = "dynamics365"

    def __init__(self, world: World) -> None:
        self._world = world

    def account_of(self, call: Call) -> str | None:
        if call.path.startswith(entra.LOGIN):
            token = call.form().get("refresh_token", "")
            return self._world.crms["dynamics365"].tokens.account_of_refresh(token)
        return call.path.split("/")[1]

    def handle(self, call: Call) -> Response:
        if call.path.startswith((entra.LOGIN, entra.DISCOVERY)):
            return entra.handle(self._world, call) or error(404, "", "Not found")
        environment, _, rest = call.path.lstrip("/").partition("/")
        try:
            caller = self._caller(call, environment)
            limits = self._throttle(caller, call)
        except RefusedError as refused:
            return refused.response
        response = _serve(call, "/" + rest, caller)
        response.headers.update(limits)
        response.headers["OData-Version"] = "4.0"
        return response

    def refusal(self, kind: Refusal, call: Call) -> Response:
        if kind == "revoked" and call.path.startswith(entra.LOGIN):
            text = "The provided grant has expired due to it being revoked"
            return entra_error("invalid_grant", 50173, text)
        return refusal(kind)

    def revoke(self, account: str) -> int:
        return self._world.crms["dynamics365"].tokens.revoke(account)

    def _caller(self, call: Call, environment: str) -> Caller:
        store = self._world.crms["dynamics365"]
        token = store.tokens.find(call.bearer())
        address = f"{call.base_url}/{environment}"
        if (
            token is None
            or not store.tokens.is_good(token, call.now)
            or token.audience != address
            or environment not in (open_to := entra.environments_of(store, token.grant))
        ):
            raise RefusedError(refusal("401"))
        account = open_to[environment]
        email = store.accounts[token.grant.account].users[token.grant.user].email
        user_id = next(u.id for u in account.users.values() if u.email == email)
        return Caller(account, user_id, address)

    def _throttle(self, caller: Caller, call: Call) -> dict[str, str]:
        window = caller.account.window_of(caller.user_id)
        taken = not self._world.knobs.rate_limits or window.take(call.now)
        if not taken:
            raise RefusedError(too_many(WINDOW_S))
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(window.remaining(call.now)),
            "x-ms-ratelimit-time-remaining-xrm-requests": "1,200.00",
        }


def _serve(call: Call, path: str, caller: Caller) -> Response:
    match = _routes.find(call.method, path)
    if match is None:
        return error(404, "0x8006088a", "Resource not found for the segment")
    handler, call.params = match
    try:
        return handler(call, caller)
    except RefusedError as refused:
        return refused.response
    except (ValueError, KeyError, TypeError) as problem:
        return bad_request(f"Error in query syntax or body: {problem}")
