"""Zendesk Sell as callers meet it: OAuth, then an API with a limit per token."""

from starlette.responses import Response

from simulators.http import Call, RefusedError, Routes
from simulators.vendor import Refusal
from simulators.world import World
from simulators.zendesk_sell import notes, oauth, people, work
from simulators.zendesk_sell.caller import Caller
from simulators.zendesk_sell.errors import error, refusal
from simulators.zendesk_sell.store import SellAccount

# People's routes name any table, so they come last.
_routes: Routes[Caller] = notes.routes.joined(work.routes).joined(people.routes)


class ZendeskSell:
    name = "zendesk_sell"

    def __init__(self, world: World) -> None:
        self._world = world

    def account_of(self, call: Call) -> str | None:
        tokens = self._world.crms["zendesk_sell"].tokens
        if oauth.is_oauth(call.path):
            return tokens.account_of_refresh(call.form().get("refresh_token", ""))
        token = tokens.find(call.bearer())
        return token.grant.account if token else None

    def handle(self, call: Call) -> Response:
        unknown = error(404, "incorrect_path", "The path is not known")
        if oauth.is_oauth(call.path):
            return oauth.handle(self._world, call) or unknown
        if not call.headers.get("user-agent"):
            return error(400, "invalid_header", "User-Agent is missing")
        found = _routes.find(call.method, call.path)
        try:
            caller = self._caller(call)
            if found is None:
                return unknown
            handler, call.params = found
            return handler(call, caller)
        except RefusedError as refused:
            return refused.response
        except (ValueError, KeyError, TypeError) as problem:
            return error(400, "invalid_payload", f"The request is not valid: {problem}")

    def refusal(self, kind: Refusal, call: Call) -> Response:
        if kind == "revoked" and oauth.is_oauth(call.path):
            return oauth.bad_grant()
        return refusal(kind)

    def revoke(self, account: str) -> int:
        return self._world.crms["zendesk_sell"].tokens.revoke(account)

    def _caller(self, call: Call) -> Caller:
        store = self._world.crms["zendesk_sell"]
        token = store.tokens.find(call.bearer())
        account = store.accounts.get(token.grant.account) if token else None
        if (
            token is None
            or not store.tokens.is_good(token, call.now)
            or not isinstance(account, SellAccount)
        ):
            raise RefusedError(refusal("401"))
        if self._world.knobs.rate_limits and not account.take(call.bearer(), call.now):
            raise RefusedError(refusal("429"))
        return Caller(account, token.grant.user, self._world.knobs.search_lag_s["zendesk_sell"])
