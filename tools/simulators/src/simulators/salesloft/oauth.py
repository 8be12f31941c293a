"""Salesloft's OAuth: JSON bodies; a refresh token works once."""

from starlette.responses import RedirectResponse, Response

from simulators.crm import CrmStore
from simulators.http import Call
from simulators.oauth import Grant, OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.salesloft.errors import oauth_error
from simulators.vendor import answer
from simulators.world import World


def is_oauth(path: str) -> bool:
    return path.startswith("/oauth/")


def handle(world: World, call: Call) -> Response | None:
    """The answer, or None when there is no such call."""
    store = world.crms["salesloft"]
    if (call.method, call.path) == ("GET", "/oauth/authorize"):
        return _authorize(store, call)
    if (call.method, call.path) == ("POST", "/oauth/token"):
        return _token(world, store, call)
    return None


def given_in(call: Call) -> dict[str, str]:
    """The token call's body; `{}` where it is none."""
    try:
        return {str(name): str(value) for name, value in call.json().items()}
    except ValueError:
        return {}


def _authorize(store: CrmStore, call: Call) -> Response:
    query = call.query
    target = query.get("redirect_uri")
    if query.get("client_id") != store.client_id or not target:
        return Response("Unknown client_id or no redirect_uri", 400, media_type="text/plain")
    if query.get("response_type") != "code":
        return Response("response_type is not valid", 400, media_type="text/plain")
    choices = [
        Choice(a.id, f"{a.name} ({a.id})", [(u.id, u.name) for u in a.users.values()])
        for a in store.accounts.values()
    ]
    chosen = choose_account("Salesloft", query, choices)
    if isinstance(chosen, Response):
        return chosen
    code = store.tokens.authorize(*chosen, call.now, redirect_uri=target)
    extra = {"code": code} | ({"state": query["state"]} if "state" in query else {})
    return RedirectResponse(with_query(target, **extra), 302)


def _token(world: World, store: CrmStore, call: Call) -> Response:
    given = given_in(call)
    ours = (store.client_id, store.client_secret)
    if (given.get("client_id"), given.get("client_secret")) != ours:
        return oauth_error("invalid_client", "Client authentication failed")
    try:
        if given.get("grant_type") == "authorization_code":
            grant = store.tokens.redeem(
                given.get("code", ""),
                call.now,
                redirect_uri=given.get("redirect_uri"),
                verifier=None,
            )
        elif given.get("grant_type") == "refresh_token":
            grant = store.tokens.refresh(
                given.get("refresh_token", ""),
                rotate=world.knobs.rotate_refresh_tokens["salesloft"],
            )
        else:
            return oauth_error("unsupported_grant_type", "The grant type is not supported")
    except OAuthRefusedError:
        return bad_grant()
    return answer(token_answer(world, grant, call.now))


def bad_grant() -> Response:
    return oauth_error("invalid_grant", "The authorization grant is invalid, expired or revoked")


def token_answer(world: World, grant: Grant, now: float) -> dict[str, object]:
    store = world.crms["salesloft"]
    account = store.accounts[grant.account]
    lifetime = account.token_lifetime_s or world.knobs.token_lifetime_s["salesloft"]
    token = store.tokens.issue(grant, now, lifetime)
    return {
        "access_token": token.value,
        "refresh_token": grant.refresh_token,
        "token_type": "bearer",
        "expires_in": int(lifetime),
        "scope": "people:write notes:write tasks:write",
        "created_at": int(now),
    }
