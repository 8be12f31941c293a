"""Pipedrive as callers meet it: OAuth at the root, then one host per company with its budget."""

from starlette.responses import Response

from simulators.http import Call, RefusedError, Routes
from simulators.pipedrive import deals, oauth, v1, v2
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import bad_request, error, oauth_error, refusal
from simulators.pipedrive.store import DAY_S, PipedriveAccount
from simulators.vendor import Refusal
from simulators.world import World

_COSTS: list[tuple[str, str, int]] = [
    ("GET", "/api/v1/users/me", 2),
    ("GET", "/api/v1/users", 20),
    ("GET", "/api/v1/leads", 20),
    ("POST", "/api/v1/leads", 10),
    ("GET", "/api/v1/activityTypes", 20),
    ("POST", "/api/v1/notes", 10),
    ("GET", "/api/v1/notes", 20),
    ("GET", "/api/v1/notes/", 2),
    ("PUT", "/api/v1/notes/", 10),
    ("DELETE", "/api/v1/notes/", 6),
    ("GET", "/api/v2/persons/search", 20),
    ("GET", "/api/v2/persons/", 1),
    ("GET", "/api/v2/persons", 10),
    ("POST", "/api/v2/persons", 5),
    ("PATCH", "/api/v2/persons/", 5),
    ("GET", "/api/v2/activities/", 1),
    ("GET", "/api/v2/activities", 10),
    ("POST", "/api/v2/activities", 5),
    ("PATCH", "/api/v2/activities/", 5),
    ("DELETE", "/api/v2/activities/", 3),
    ("GET", "/api/v2/deals/", 1),
    ("GET", "/api/v2/deals", 10),
    ("POST", "/api/v2/deals", 5),
]
"""Method, path (with a final slash: anything below it), tokens: `x-token-cost` of the file."""


_V1 = v1.routes.joined(deals.lead_routes)


def cost_of(method: str, path: str) -> int:
    for known, prefix, cost in _COSTS:
        if method == known and (
            path == prefix or (prefix.endswith("/") and path.startswith(prefix))
        ):
            return cost
    return 1


class Pipedrive:
    name = "pipedrive"

    def __init__(self, world: World) -> None:
        self._world = world

    def account_of(self, call: Call) -> str | None:
        if oauth.is_oauth(call.path):
            token = call.form().get("refresh_token", "")
            return self._world.crms["pipedrive"].tokens.account_of_refresh(token)
        return call.path.split("/")[1]

    def handle(self, call: Call) -> Response:
        if oauth.is_oauth(call.path):
            return oauth.handle(self._world, call) or error(404, "Unknown method.")
        domain, _, rest = call.path.lstrip("/").partition("/")
        path = "/" + rest
        try:
            caller = self._caller(call, domain)
            limits = self._throttle(caller.account, call, path)
        except RefusedError as refused:
            return refused.response
        response = _serve(_V1 if path.startswith("/api/v1") else v2.routes, call, path, caller)
        response.headers.update(limits)
        return response

    def refusal(self, kind: Refusal, call: Call) -> Response:
        if kind == "revoked" and oauth.is_oauth(call.path):
            return oauth_error("invalid_grant", "Invalid grant: refresh_token is invalid")
        return refusal(kind)

    def revoke(self, account: str) -> int:
        return self._world.crms["pipedrive"].tokens.revoke(account)

    def _caller(self, call: Call, domain: str) -> Caller:
        store = self._world.crms["pipedrive"]
        token = store.tokens.find(call.bearer())
        account = store.accounts.get(domain)
        if (
            token is None
            or not store.tokens.is_good(token, call.now)
            or not isinstance(account, PipedriveAccount)
            or token.grant.account != domain
        ):
            raise RefusedError(refusal("401"))
        return Caller(account, token.grant.user, self._world.knobs.search_lag_s["pipedrive"])

    def _throttle(self, account: PipedriveAccount, call: Call, path: str) -> dict[str, str]:
        """Count the call against the burst, the search limit and the day's budget."""
        now = call.now
        burst = account.burst_of(call.bearer())
        windows = [(burst, 1), (account.budget, cost_of(call.method, path))]
        if path.endswith("/search"):
            windows.insert(1, (account.search_window, 1))
        limited = self._world.knobs.rate_limits
        refused_by = next((w for w, cost in windows if limited and not w.take(now, cost)), None)
        shown = burst if refused_by in (None, account.budget) else refused_by
        headers = {
            "x-ratelimit-limit": str(shown.limit),
            "x-ratelimit-remaining": str(shown.remaining(now)),
            "x-ratelimit-reset": str(max(1, round(shown.resets_at(now) - now))),
            "x-daily-ratelimit-token-limit": str(account.budget.limit),
            "x-daily-ratelimit-token-remaining": str(account.budget.remaining(now)),
        }
        if refused_by is None:
            return headers
        if refused_by is account.budget:
            # the budget starts anew at midnight; here that is midnight UTC
            headers["x-ratelimit-reset"] = str(round(DAY_S - now % DAY_S))
        response = refusal("429")
        response.headers.update(headers)
        raise RefusedError(response)


def _serve(routes: Routes[Caller], call: Call, path: str, caller: Caller) -> Response:
    found = routes.find(call.method, path)
    if found is None:
        return error(404, "Unknown method.")
    handler, call.params = found
    try:
        return handler(call, caller)
    except RefusedError as refused:
        return refused.response
    except (ValueError, KeyError, TypeError) as problem:
        return bad_request(f"Invalid input: {problem}")
