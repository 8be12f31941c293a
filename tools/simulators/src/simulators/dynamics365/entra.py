"""Entra ID: sign-in, and tokens for one resource each; and the list of a user's environments.

The resource is the environment's own address, or that of the discovery service. A refresh token is
bound to the user and our client, not to a resource: it gets a token for any environment of theirs.
"""

from starlette.responses import RedirectResponse, Response

from simulators.crm import CrmStore
from simulators.dynamics365.errors import entra_error, refusal
from simulators.dynamics365.store import DynamicsAccount, guid
from simulators.http import Call
from simulators.oauth import Grant, OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.vendor import answer
from simulators.world import World

LOGIN, DISCOVERY = "/login/", "/globaldisco/"
INSTANCES = "/globaldisco/api/discovery/v2.0/Instances"
_NOT_GOOD = "The provided authorization code or refresh token is invalid or has expired"


def handle(world: World, call: Call) -> Response | None:
    """The answer, or None when there is no such call."""
    store = world.crms["dynamics365"]
    if call.path.startswith(LOGIN):
        _, _, verb = call.path.partition("/oauth2/v2.0/")
        if (call.method, verb) == ("GET", "authorize"):
            return _authorize(store, call)
        if (call.method, verb) == ("POST", "token"):
            return _token(world, store, call)
    if (call.method, call.path) == ("GET", INSTANCES):
        return _instances(store, call)
    return None


def _authorize(store: CrmStore, call: Call) -> Response:
    query = call.query
    target = query.get("redirect_uri")
    if query.get("client_id") != store.client_id or not target or "scope" not in query:
        return Response("AADSTS700016: unknown client_id", 400, media_type="text/plain")
    choices = [
        Choice(
            a.id, f"{a.name} ({a.id}.crm4.dynamics.com)", [(u.id, u.name) for u in a.users.values()]
        )
        for a in store.accounts.values()
    ]
    chosen = choose_account("Dynamics 365", query, choices)
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


def _token(world: World, store: CrmStore, call: Call) -> Response:
    form = call.form()
    if form.get("client_id") != store.client_id:
        return entra_error("unauthorized_client", 700016, "Application was not found")
    if form.get("client_secret") != store.client_secret:
        return entra_error("invalid_client", 7000215, "Invalid client secret provided")
    resource = form.get("scope", "").partition(" ")[0].removesuffix("/.default")
    try:
        if form.get("grant_type") == "authorization_code":
            grant = store.tokens.redeem(
                form.get("code", ""),
                call.now,
                redirect_uri=form.get("redirect_uri"),
                verifier=form.get("code_verifier"),
            )
        elif form.get("grant_type") == "refresh_token":
            rotate = world.knobs.rotate_refresh_tokens["dynamics365"]
            token = form.get("refresh_token", "")
            grant = store.tokens.refresh(token, rotate=rotate, always_new=True)
        else:
            return entra_error("unsupported_grant_type", 70003, "The grant type is not supported")
    except OAuthRefusedError:
        return entra_error("invalid_grant", 70000, _NOT_GOOD)
    if resource not in _resources(store, grant, call.base_url):
        return entra_error("invalid_resource", 500011, "The resource principal was not found")
    return answer(token_answer(world, grant, call.now, resource))


def token_answer(world: World, grant: Grant, now: float, resource: str) -> dict[str, object]:
    store = world.crms["dynamics365"]
    account = store.accounts[grant.account]
    lifetime = account.token_lifetime_s or world.knobs.token_lifetime_s["dynamics365"]
    token = store.tokens.issue(grant, now, lifetime, audience=resource)
    return {
        "token_type": "Bearer",
        "scope": f"{resource}/user_impersonation {resource}/.default",
        "expires_in": int(lifetime),
        "ext_expires_in": int(lifetime),
        "access_token": token.value,
        "refresh_token": grant.refresh_token,
    }


def environments_of(store: CrmStore, grant: Grant) -> dict[str, DynamicsAccount]:
    """Where the one who consented has a user: the same address in each environment."""
    home = store.accounts.get(grant.account)
    user = home.users.get(grant.user) if home else None
    return {
        account.id: account
        for account in store.accounts.values()
        if isinstance(account, DynamicsAccount)
        and user is not None
        and any(other.email == user.email for other in account.users.values())
    }


def _resources(store: CrmStore, grant: Grant, base_url: str) -> set[str]:
    named = {f"{base_url}/{account}" for account in environments_of(store, grant)}
    return named | {f"{base_url}{DISCOVERY}".rstrip("/")}


def _instances(store: CrmStore, call: Call) -> Response:
    token = store.tokens.find(call.bearer())
    if (
        token is None
        or not store.tokens.is_good(token, call.now)
        or token.audience != f"{call.base_url}{DISCOVERY}".rstrip("/")
    ):
        return refusal("401")
    found = [
        {
            "Id": account.organization_id,
            "UniqueName": account.id,
            "FriendlyName": account.name,
            "Url": f"{call.base_url}/{account.id}",
            "ApiUrl": f"{call.base_url}/{account.id}",
            "TenantId": guid(account.id, "tenant"),
            "Region": "EMEA",
            "Version": "9.2",
        }
        for account in environments_of(store, token.grant).values()
    ]
    wanted = [name for name in call.query.get("$select", "").split(",") if name]
    shown = [{k: v for k, v in one.items() if not wanted or k in wanted} for one in found]
    return answer({"value": shown})
