"""HubSpot's OAuth, 2026-09: authorize, token, introspect, revoke."""

from starlette.responses import RedirectResponse, Response

from simulators.crm import CrmStore
from simulators.http import Call
from simulators.hubspot.errors import oauth_error
from simulators.oauth import REDIRECT_DIFFERS, Grant, OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.vendor import answer
from simulators.world import World

SCOPES = [
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.deals.write",
    "oauth",
]
TOKEN = "/oauth/2026-09/token"  # noqa: S105 - a path


def is_oauth(path: str) -> bool:
    return path.startswith("/oauth/")


def handle(world: World, call: Call) -> Response | None:
    """The answer, or None when there is no such call."""
    store = world.crms["hubspot"]
    if (call.method, call.path) == ("GET", "/oauth/authorize"):
        return _authorize(store, call)
    if call.method != "POST":
        return None
    form = call.form()
    if call.path == TOKEN:
        return _bad_client(store, form) or _token(world, store, form, call.now)
    if call.path == TOKEN + "/introspect":
        return _bad_client(store, form) or _introspect(store, form, call.now)
    if call.path == TOKEN + "/revoke":
        return _bad_client(store, form) or _revoke(store, form)
    return None


def _authorize(store: CrmStore, call: Call) -> Response:
    query = call.query
    target = query.get("redirect_uri")
    if query.get("client_id") != store.client_id or not target:
        return Response("Unknown client_id or no redirect_uri", 400, media_type="text/plain")
    choices = [
        Choice(a.id, f"{a.name} ({a.id})", [(u.id, u.name) for u in a.users.values()])
        for a in store.accounts.values()
    ]
    chosen = choose_account("HubSpot", query, choices)
    if isinstance(chosen, Response):
        return chosen
    code = store.tokens.authorize(
        *chosen,
        call.now,
        redirect_uri=target,
        challenge=query.get("code_challenge"),
        challenge_method=query.get("code_challenge_method", "plain"),
    )
    extra = {"code": code} | ({"state": query["state"]} if "state" in query else {})
    return RedirectResponse(with_query(target, **extra), 302)


def _bad_client(store: CrmStore, form: dict[str, str]) -> Response | None:
    if form.get("client_id") != store.client_id:
        return oauth_error("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id")
    if form.get("client_secret") != store.client_secret:
        return oauth_error(
            "BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret"
        )
    return None


def _token(world: World, store: CrmStore, form: dict[str, str], now: float) -> Response:
    try:
        if form.get("grant_type") == "authorization_code":
            grant = store.tokens.redeem(
                form.get("code", ""),
                now,
                redirect_uri=form.get("redirect_uri"),
                verifier=form.get("code_verifier"),
            )
        elif form.get("grant_type") == "refresh_token":
            grant = store.tokens.refresh(
                form.get("refresh_token", ""), rotate=world.knobs.rotate_refresh_tokens["hubspot"]
            )
        else:
            return oauth_error("BAD_GRANT_TYPE", "unsupported_grant_type", "unknown grant type")
    except OAuthRefusedError as refused:
        return _refused(refused, form["grant_type"])
    if grant.account not in store.accounts:
        return oauth_error("BAD_HUB", "access_denied", "missing or unknown hub id")
    return answer(token_answer(world, grant, now))


def token_answer(world: World, grant: Grant, now: float) -> dict[str, object]:
    store = world.crms["hubspot"]
    account = store.accounts[grant.account]
    lifetime = account.token_lifetime_s or world.knobs.token_lifetime_s["hubspot"]
    token = store.tokens.issue(grant, now, lifetime)
    return {
        "access_token": token.value,
        "refresh_token": grant.refresh_token,
        "expires_in": int(lifetime),
        "token_type": "bearer",
        "token_use": "access_token",
        "hub_id": int(grant.account),
        "user_id": int(grant.user),
        "scopes": SCOPES,
    }


def _refused(refused: OAuthRefusedError, grant_type: str) -> Response:
    if grant_type == "refresh_token":
        text = "refresh token is invalid, expired or revoked"
        return oauth_error("BAD_REFRESH_TOKEN", "invalid_grant", text)
    if refused.reason == REDIRECT_DIFFERS:
        return oauth_error("BAD_REDIRECT_URI", "invalid_request", "redirect_uri does not match")
    return oauth_error("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code")


def _introspect(store: CrmStore, form: dict[str, str], now: float) -> Response:
    token = store.tokens.find(form.get("token", ""))
    if token is None or not store.tokens.is_good(token, now):
        return answer({"active": False})
    return answer(
        {
            "active": True,
            "token_use": "access_token",
            "hub_id": int(token.grant.account),
            "user_id": int(token.grant.user),
            "client_id": store.client_id,
            "scopes": SCOPES,
            "expires_in": int((token.expires_at or now) - now),
        }
    )


def _revoke(store: CrmStore, form: dict[str, str]) -> Response:
    """An access token already issued lives on until it expires."""
    store.tokens.forget_refresh(form.get("token", ""))
    return Response(status_code=200)
