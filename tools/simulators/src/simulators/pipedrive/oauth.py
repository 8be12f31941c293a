"""Pipedrive's OAuth: authorize, token with HTTP Basic, revoke."""

import base64
import binascii

from starlette.responses import RedirectResponse, Response

from simulators.crm import CrmStore
from simulators.http import Call
from simulators.oauth import CODE_EXPIRED, REDIRECT_DIFFERS, Grant, OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.pipedrive.errors import oauth_error
from simulators.vendor import answer
from simulators.world import World

SCOPE = "base,contacts:full,activities:full,deals:full"


def is_oauth(path: str) -> bool:
    return path.startswith("/oauth/")


def handle(world: World, call: Call) -> Response | None:
    """The answer, or None when there is no such call."""
    store = world.crms["pipedrive"]
    path = call.path.rstrip("/")
    if (call.method, path) == ("GET", "/oauth/authorize"):
        return _authorize(store, call)
    if (call.method, path) == ("POST", "/oauth/token"):
        return _bad_client(store, call) or _token(world, store, call)
    if (call.method, path) == ("POST", "/oauth/revoke"):
        return _bad_client(store, call) or _revoke(store, call)
    return None


def _authorize(store: CrmStore, call: Call) -> Response:
    query = call.query
    target = query.get("redirect_uri")
    if query.get("client_id") != store.client_id or not target:
        return Response("Unknown client_id or no redirect_uri", 400, media_type="text/plain")
    choices = [
        Choice(a.id, f"{a.name} ({a.id}.pipedrive.com)", [(u.id, u.name) for u in a.users.values()])
        for a in store.accounts.values()
    ]
    chosen = choose_account("Pipedrive", query, choices)
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
    if given != f"{store.client_id}:{store.client_secret}":
        return oauth_error("invalid_client", "Invalid client: client is invalid")
    return None


def _token(world: World, store: CrmStore, call: Call) -> Response:
    form = call.form()
    if not call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return oauth_error("invalid_request", "Invalid request: content must be form-urlencoded")
    try:
        if form.get("grant_type") == "authorization_code":
            grant = store.tokens.redeem(
                form.get("code", ""),
                call.now,
                redirect_uri=form.get("redirect_uri"),
                verifier=None,
            )
        elif form.get("grant_type") == "refresh_token":
            grant = store.tokens.refresh(
                form.get("refresh_token", ""), rotate=world.knobs.rotate_refresh_tokens["pipedrive"]
            )
        else:
            return oauth_error("invalid_request", "Invalid request: grant_type is invalid")
    except OAuthRefusedError as refused:
        return _refused(refused, form["grant_type"])
    return answer(token_answer(world, grant, call.now, call.base_url))


def token_answer(world: World, grant: Grant, now: float, base_url: str) -> dict[str, object]:
    store = world.crms["pipedrive"]
    account = store.accounts[grant.account]
    lifetime = account.token_lifetime_s or world.knobs.token_lifetime_s["pipedrive"]
    token = store.tokens.issue(grant, now, lifetime)
    return {
        "access_token": token.value,
        "token_type": "Bearer",
        "expires_in": int(lifetime),
        "refresh_token": grant.refresh_token,
        "scope": SCOPE,
        "api_domain": f"{base_url}/{account.id}",
    }


def _refused(refused: OAuthRefusedError, grant_type: str) -> Response:
    if grant_type == "refresh_token":
        return oauth_error("invalid_grant", "Invalid grant: refresh_token is invalid")
    if refused.reason == CODE_EXPIRED:
        return oauth_error("invalid_grant", "Invalid grant: authorization_code has expired")
    if refused.reason == REDIRECT_DIFFERS:
        return oauth_error("invalid_request", "Invalid request: redirect_uri is invalid")
    return oauth_error("invalid_grant", "Invalid grant: authorization_code is invalid")


def _revoke(store: CrmStore, call: Call) -> Response:
    """Revoking the refresh token uninstalls the app: its access tokens end too."""
    token = call.form().get("token", "")
    grant = store.tokens.forget_refresh(token)
    if grant is not None:
        grant.alive = False
    return answer({"success": True})
