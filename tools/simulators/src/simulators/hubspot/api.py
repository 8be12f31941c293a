"""HubSpot as callers meet it: authentication, limits, then the object calls."""

from starlette.responses import Response

from simulators.http import Call, RefusedError, Routes
from simulators.hubspot import account, batches, oauth, objects
from simulators.hubspot.caller import Caller
from simulators.hubspot.errors import error, expired, oauth_error, refusal, too_many
from simulators.hubspot.store import HubSpotAccount
from simulators.vendor import Refusal
from simulators.world import World

_routes: Routes[Caller] = objects.routes.joined(batches.routes).joined(account.routes)


class HubSpot:
    name = "hubspot"

    def __init__(self, world: World) -> None:
        self._world = world

    def account_of(self, call: Call) -> str | None:
        store = self._world.crms["hubspot"]
        token = store.tokens.find(call.bearer())
        if token is not None:
            return token.grant.account
        if oauth.is_oauth(call.path):
            return store.tokens.account_of_refresh(call.form().get("refresh_token", ""))
        return None

    def handle(self, call: Call) -> Response:
        if oauth.is_oauth(call.path):
            response = oauth.handle(self._world, call)
            return response or error(404, "OBJECT_NOT_FOUND", "resource not found")
        try:
            caller = self._caller(call)
            limits = self._throttle(caller.account, call)
        except RefusedError as refused:
            return refused.response
        response = self._serve(call, caller)
        response.headers.update(limits)
        return response

    def refusal(self, kind: Refusal, call: Call) -> Response:
        if kind == "revoked" and oauth.is_oauth(call.path):
            text = "refresh token is invalid, expired or revoked"
            return oauth_error("BAD_REFRESH_TOKEN", "invalid_grant", text)
        return refusal(kind)

    def revoke(self, account: str) -> int:
        return self._world.crms["hubspot"].tokens.revoke(account)

    def _caller(self, call: Call) -> Caller:
        store = self._world.crms["hubspot"]
        token = store.tokens.find(call.bearer())
        found = store.accounts.get(token.grant.account) if token else None
        if token is None or not token.grant.alive or not isinstance(found, HubSpotAccount):
            raise RefusedError(refusal("401"))
        if not store.tokens.is_good(token, call.now):
            raise RefusedError(expired())
        return Caller(found, token.grant.user, self._world.knobs.search_lag_s["hubspot"])

    def _throttle(self, of: HubSpotAccount, call: Call) -> dict[str, str]:
        """Count the call. Searches have a limit of their own, and no headers."""
        is_search = call.path.endswith("/search")
        window = of.search_window if is_search else of.calls_window
        taken = not self._world.knobs.rate_limits or window.take(call.now)
        headers = {}
        if not is_search:
            headers = {
                "X-HubSpot-RateLimit-Max": str(window.limit),
                "X-HubSpot-RateLimit-Remaining": str(window.remaining(call.now)),
                "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            }
        if taken:
            return headers
        response = too_many("SECONDLY" if is_search else "TEN_SECONDLY_ROLLING", search=is_search)
        response.headers.update(headers)
        raise RefusedError(response)

    def _serve(self, call: Call, caller: Caller) -> Response:
        found = _routes.find(call.method, call.path)
        if found is None:
            return error(404, "OBJECT_NOT_FOUND", "resource not found")
        handler, call.params = found
        try:
            return handler(call, caller)
        except RefusedError as refused:
            return refused.response
        except (ValueError, KeyError, TypeError) as problem:
            return error(400, "VALIDATION_ERROR", f"Invalid input: {problem}")
