"""Salesloft as callers meet it: OAuth, then an API whose calls cost the team points."""

from starlette.responses import Response

from simulators.http import Call, RefusedError, Routes
from simulators.salesloft import notes, oauth, people, work
from simulators.salesloft.caller import Caller
from simulators.salesloft.errors import error, invalid, not_found, refusal
from simulators.salesloft.store import SalesloftAccount
from simulators.vendor import Refusal
from simulators.world import World

_routes: Routes[Caller] = people.routes.joined(notes.routes).joined(work.routes)
# Up to this page number, each at its points: deep pages cost more.
_COSTS = ((100, 1), (150, 3), (250, 8), (500, 10))
_DEEP_COST = 30


class Salesloft:
    name = "salesloft"

    def __init__(self, world: World) -> None:
        self._world = world

    def account_of(self, call: Call) -> str | None:
        tokens = self._world.crms["salesloft"].tokens
        if oauth.is_oauth(call.path):
            return tokens.account_of_refresh(oauth.given_in(call).get("refresh_token", ""))
        token = tokens.find(call.bearer())
        return token.grant.account if token else None

    def handle(self, call: Call) -> Response:
        if oauth.is_oauth(call.path):
            return oauth.handle(self._world, call) or not_found()
        try:
            caller = self._caller(call)
            headers = self._throttle(caller.account, call)
        except RefusedError as refused:
            return refused.response
        response = _serve(call, caller)
        response.headers.update(headers)
        return response

    def refusal(self, kind: Refusal, call: Call) -> Response:
        if kind == "revoked" and oauth.is_oauth(call.path):
            return oauth.bad_grant()
        return refusal(kind)

    def revoke(self, account: str) -> int:
        return self._world.crms["salesloft"].tokens.revoke(account)

    def _caller(self, call: Call) -> Caller:
        if not call.bearer():
            raise RefusedError(error(401, "No Bearer Token attached to request"))
        store = self._world.crms["salesloft"]
        token = store.tokens.find(call.bearer())
        account = store.accounts.get(token.grant.account) if token else None
        if (
            token is None
            or not store.tokens.is_good(token, call.now)
            or not isinstance(account, SalesloftAccount)
        ):
            raise RefusedError(refusal("401"))
        return Caller(account, token.grant.user, self._world.knobs.search_lag_s["salesloft"])

    def _throttle(self, account: SalesloftAccount, call: Call) -> dict[str, str]:
        number = call.query.get("page", "1")
        deep = int(number) if number.isdecimal() else 1
        cost = next((cost for most, cost in _COSTS if deep <= most), _DEEP_COST)
        taken = not self._world.knobs.rate_limits or account.points.take(call.now, cost)
        headers = {
            "x-ratelimit-endpoint-cost": str(cost),
            "x-ratelimit-remaining-minute": str(account.points.remaining(call.now)),
        }
        if taken:
            return headers
        response = refusal("429")
        response.headers.update(headers)
        raise RefusedError(response)


def _serve(call: Call, caller: Caller) -> Response:
    # Paths work with and without `.json`.
    path = call.path if call.path.endswith(".json") else f"{call.path}.json"
    found = _routes.find(call.method, path)
    if found is None:
        return not_found()
    handler, call.params = found
    try:
        return handler(call, caller)
    except RefusedError as refused:
        return refused.response
    except (ValueError, KeyError, TypeError) as problem:
        return invalid("base", f"is not valid: {problem}")
