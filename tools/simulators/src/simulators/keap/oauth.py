"""Keap's OAuth: a code is exchanged with the credentials in the form, a refresh with HTTP Basic."""

import base64
import binascii

from starlette.responses import RedirectResponse, Response

from simulators.crm import CrmStore
from simulators.http import Call
from simulators.keap.errors import oauth_error
from simulators.oauth import REDIRECT_DIFFERS, Grant, OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.vendor import answer
from simulators.world import World

AUTHORIZE = "/app/oauth/authorize"
TOKEN = "/token"  # noqa: S105 - a path


def is_oauth(path: str) -> bool:
    return path in (AUTHORIZE, TOKEN)


def handle(world: World, call: Call) -> Response | None:
    """The answer, or None when there is no such call."""
    store = world.crms["keap"]
    if (call.method, call.path) == ("GET", AUTHORIZE):
        return _authorize(store, call)
    if (call.method, call.path) == ("POST", TOKEN):
        return _token(world, store, call)
    return None


def _authorize(store: CrmStore, call: Call) -> Response:
    query = call.query
    target = query.get("redirect_uri")
    if query.get("client_id") != store.client_id or not target:
        return Response("Unknown client_id or no redirect_uri", 400, media_type="text/plain")
    if query.get("response_type") != "code" or query.get("scope") != "full":
        return Response("response_type or scope is not valid", 400, media_type="text/plain")
    choices = [
        Choice(a.id, f"{a.name} ({a.id})", [(u.id, u.name) for u in a.users.values()])
        for a in store.accounts.values()
    ]
    chosen = choose_account("Keap", query, choices)
    if isinstance(chosen, Response):
        return chosen
    code = store.tokens.authorize(*chosen, call.now, redirect_uri=target)
    extra = {"code": code} | ({"state": query["state"]} if "state" in query else {})
    return RedirectResponse(with_query(target, **extra), 302)


def _token(world: World, store: CrmStore, call: Call) -> Response:
    form = call.form()
    kind = form.get("grant_type")
    ours = (store.client_id, store.client_secret)
    try:
        if kind == "authorization_code":
            if (form.get("client_id"), form.get("client_secret")) != ours:
                return _bad_client()
            grant = store.tokens.redeem(
                form.get("code", ""),
                call.now,
                redirect_uri=form.get("redirect_uri"),
                verifier=None,
            )
        elif kind == "refresh_token":
            if _basic(call) != ours:
                return _bad_client()
            grant = store.tokens.refresh(
                form.get("refresh_token", ""), rotate=world.knobs.rotate_refresh_tokens["keap"]
            )
        else:
            return oauth_error("unsupported_grant_type", "grant_type is invalid")
    except OAuthRefusedError as refused:
        if kind == "refresh_token":
            return bad_refresh_token()
        if refused.reason == REDIRECT_DIFFERS:
            return oauth_error("invalid_request", "redirect_uri does not match")
        return oauth_error("invalid_grant", "Invalid Authorization Code")
    return answer(token_answer(world, grant, call.now))


def token_answer(world: World, grant: Grant, now: float) -> dict[str, object]:
    store = world.crms["keap"]
    account = store.accounts[grant.account]
    lifetime = account.token_lifetime_s or world.knobs.token_lifetime_s["keap"]
    token = store.tokens.issue(grant, now, lifetime)
    return {
        "access_token": token.value,
        "refresh_token": grant.refresh_token,
        "token_type": "bearer",
        "expires_in": int(lifetime),
        "scope": f"full|{account.id}.infusionsoft.com",
    }


def bad_refresh_token() -> Response:
    return oauth_error("invalid_request", "Invalid Refresh Token")


def _bad_client() -> Response:
    return oauth_error("invalid_client", "Invalid client credentials")


def _basic(call: Call) -> tuple[str, str] | None:
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(value).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return None
    client_id, _, secret = given.partition(":")
    return client_id, secret
