"""Keap as callers meet it: a gateway that counts and authenticates, then the application."""

from starlette.responses import Response

from simulators.clock import iso
from simulators.http import Call, RefusedError, Routes
from simulators.keap import contacts, notes, oauth, work
from simulators.keap.caller import Caller
from simulators.keap.errors import (
    day_is_spent,
    error,
    minute_is_spent,
    refusal,
    spike,
    unauthorized,
)
from simulators.keap.store import DAY_S, KeapAccount, ProductQuota
from simulators.vendor import Refusal
from simulators.world import World

# Notes first: their paths lie below the contacts'.
_routes: Routes[Caller] = notes.routes.joined(contacts.routes).joined(work.routes)


class Keap:
    name = "keap"

    def __init__(self, world: World) -> None:
        self._world = world
        self._counted: tuple[object, ProductQuota] | None = None

    def account_of(self, call: Call) -> str | None:
        tokens = self._world.crms["keap"].tokens
        if oauth.is_oauth(call.path):
            return tokens.account_of_refresh(call.form().get("refresh_token", ""))
        token = tokens.find(call.bearer())
        return token.grant.account if token else None

    def handle(self, call: Call) -> Response:
        if oauth.is_oauth(call.path):
            return oauth.handle(self._world, call) or error(405, "Method not allowed")
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
            return oauth.bad_refresh_token()
        return refusal(kind)

    def revoke(self, account: str) -> int:
        return self._world.crms["keap"].tokens.revoke(account)

    def _caller(self, call: Call) -> Caller:
        """Authentication comes before routing: 401 on a wrong path too."""
        store = self._world.crms["keap"]
        token = store.tokens.find(call.bearer())
        account = store.accounts.get(token.grant.account) if token else None
        if token is None or not token.grant.alive or not isinstance(account, KeapAccount):
            raise RefusedError(refusal("401"))
        if not store.tokens.is_good(token, call.now):
            raise RefusedError(unauthorized("keymanagement.service.access_token_expired"))
        return Caller(account, token.grant.user, self._world.knobs.search_lag_s["keap"])

    def _quota(self) -> ProductQuota:
        """One for the whole app; a reset of the simulators starts it anew."""
        store = self._world.crms["keap"]
        if self._counted is None or self._counted[0] is not store:
            self._counted = (store, ProductQuota())
        return self._counted[1]

    def _throttle(self, account: KeapAccount, call: Call) -> dict[str, str]:
        """Count the call: spikes, then this account, then the app's minute and day."""
        now, quota = call.now, self._quota()
        account.hold(quota)
        if not self._world.knobs.rate_limits:
            return _headers(account, quota, now)
        if not quota.second.take(now):
            raise RefusedError(spike())
        minutes = (account.minute.take(now), quota.minute.take(now))
        days = (account.day.take(now), quota.day.take(now))
        if all(minutes) and all(days):
            return _headers(account, quota, now)
        response = minute_is_spent() if all(days) else day_is_spent()
        response.headers.update(_headers(account, quota, now))
        raise RefusedError(response)


def _headers(account: KeapAccount, quota: ProductQuota, now: float) -> dict[str, str]:
    day, minute = quota.day, quota.minute
    left = f"{account.minute.remaining(now)}|{account.day.remaining(now)}"
    used = [w.limit - w.remaining(now) for w in (day, minute, account.minute, account.day)]
    return {
        "x-keap-product-quota-limit": str(day.limit),
        "x-keap-product-quota-available": str(day.remaining(now)),
        "x-keap-product-quota-used": str(used[0]),
        "x-keap-product-quota-expiry-time": iso(now - now % DAY_S + DAY_S),
        "x-keap-product-throttle-limit": str(minute.limit),
        "x-keap-product-throttle-available": str(minute.remaining(now)),
        "x-keap-product-throttle-used": str(used[1]),
        "x-keap-tenant-throttle-limit": f"{account.minute.limit}|{account.day.limit}",
        "x-keap-tenant-throttle-available": left,
        "x-keap-tenant-throttle-used": f"{used[2]}|{used[3]}",
        "x-keap-tenant-id": account.id,
    }


def _serve(call: Call, caller: Caller) -> Response:
    found = _routes.find(call.method, call.path)
    if found is None:
        return error(404, "No such resource")
    handler, call.params = found
    try:
        return handler(call, caller)
    except RefusedError as refused:
        return refused.response
    except (ValueError, KeyError, TypeError) as problem:
        return error(400, f"Invalid input: {problem}")
