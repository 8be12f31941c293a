"""Sell's OAuth: our client by HTTP Basic, a form in the body; a refresh token has no end."""

import base64
import binascii

from starlette.responses import RedirectResponse, Response

from simulators.crm import CrmStore
from simulators.http import Call
from simulators.oauth import Grant, OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.vendor import answer
from simulators.world import World
from simulators.zendesk_sell.errors import oauth_error

SCOPES = "read write profile"


def is_oauth(path: str) -> bool:
    return path.startswith("/oauth2/")


def handle(world: World, call: Call) -> Response | None:
    """The answer, or None when there is no such call."""
    store = world.crms["zendesk_sell"]
    if (call.method, call.path) == ("GET", "/oauth2/authorize"):
        return _authorize(store, call)
    if (call.method, call.path) == ("POST", "/oauth2/token"):
        return _bad_client(store, call) or _token(world, store, call)
    if (call.method, call.path) == ("POST", "/oauth2/revoke"):
        return _bad_client(store, call) or _revoke(store, call)
    return None


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
    chosen = choose_account("Zendesk Sell", query, choices)
    if isinstance(chosen, Response):
        return chosen
    code = store.tokens.authorize(*chosen, call.now, redirect_uri=target)
    extra = {"code": code} | ({"state": query["state"]} if "state" in query else {})
    return RedirectResponse(with_query(target, **extra), 302)


def _bad_client(store: CrmStore, call: Call) -> Response | None:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(value).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        given = ""
    if given == f"{store.client_id}:{store.client_secret}":
        return None
    return oauth_error("invalid_client", "Client authentication failed", 401)


def _token(world: World, store: CrmStore, call: Call) -> Response:
    form = call.form()
    try:
        if form.get("grant_type") == "authorization_code":
            grant = store.tokens.redeem(
                form.get("code", ""),
                call.now,
                redirect_uri=form.get("redirect_uri"),
                verifier=None,
            )
        elif form.get("grant_type") == "refresh_token":
            rotate = world.knobs.rotate_refresh_tokens["zendesk_sell"]
            grant = store.tokens.refresh(form.get("refresh_token", ""), rotate=rotate)
        else:
            return oauth_error("unsupported_grant_type", "The grant type is not supported")
    except OAuthRefusedError:
        return bad_grant()
    return answer(token_answer(world, grant, call.now))


def bad_grant() -> Response:
    return oauth_error("invalid_grant", "The grant is invalid, expired or revoked")


def token_answer(world: World, grant: Grant, now: float) -> dict[str, object]:
    store = world.crms["zendesk_sell"]
    account = store.accounts[grant.account]
    lifetime = account.token_lifetime_s or world.knobs.token_lifetime_s["zendesk_sell"]
    token = store.tokens.issue(grant, now, lifetime)
    return {
        "access_token": token.value,
        "token_type": "bearer",
        "expires_in": int(lifetime),
        "refresh_token": grant.refresh_token,
        "scope": SCOPES,
    }


def _revoke(store: CrmStore, call: Call) -> Response:
    grant = store.tokens.forget_refresh(call.form().get("token", ""))
    if grant is not None:
        grant.alive = False
    return Response(status_code=200)
