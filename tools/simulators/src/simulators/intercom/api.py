"""Intercom's REST API 2.14 on three regional hosts, and its OAuth."""

from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from simulators.http import Call, Json, RefusedError, Routes
from simulators.intercom import wire
from simulators.intercom.search import BadQueryError, matches
from simulators.intercom.store import Admin, Conversation, Workspace
from simulators.oauth import OAuthRefusedError, with_query
from simulators.pages.choose import Choice, choose_account
from simulators.vendor import Refusal, answer
from simulators.world import World

VERSIONS = frozenset({"1.0", "1.1", "1.2", "1.3", "1.4", *(f"2.{minor}" for minor in range(15))})
DEFAULT_PAGE, MAX_PAGE = 20, 150

_REFUSALS: dict[Refusal, tuple[int, str, str]] = {
    "401": (401, "unauthorized", "Access Token Invalid"),
    "revoked": (401, "token_revoked", "Access Token Revoked"),
    "403": (403, "forbidden", "Not authorized to access resource"),
    "429": (429, "rate_limit_exceeded", "Exceeded rate limit"),
    "500": (500, "server_error", "An unexpected error occurred"),
}


@dataclass(frozen=True, slots=True)
class _Caller:
    workspace: Workspace
    admin: Admin


_routes: Routes[_Caller] = Routes()


class Intercom:
    name = "intercom"

    def __init__(self, world: World) -> None:
        self._world = world

    def account_of(self, call: Call) -> str | None:
        token = self._world.intercom.tokens.find(call.bearer())
        return token.grant.account if token else call.query.get("account")

    def handle(self, call: Call) -> Response:
        region, _, rest = call.path.lstrip("/").partition("/")
        path = "/" + rest
        try:
            if region not in ("us", "eu", "au"):
                return self._error(404, "not_found", "Resource Not Found")
            if path == "/app/oauth":
                return self._authorize(call)
            if path.startswith("/app/a/"):
                return _to_page(call, path)
            if (call.method, path) == ("POST", "/auth/eagle/token"):
                return self._exchange(call)
            return self._serve(call, region, path)
        except RefusedError as refused:
            return refused.response

    def refusal(self, kind: Refusal, call: Call) -> Response:
        status, code, message = _REFUSALS[kind]
        return self._error(status, code, message)

    def revoke(self, account: str) -> int:
        return self._world.intercom.tokens.revoke(account)

    def _error(self, status: int, code: str, message: str) -> Response:
        return answer(wire.error_list(code, message), status)

    def _serve(self, call: Call, region: str, path: str) -> Response:
        caller = self._caller(call, region)
        headers = self._throttle(caller.workspace, call.now)
        if (call.method, path) == ("POST", "/auth/uninstall"):
            self.revoke(caller.workspace.id)
            return Response(status_code=200, headers=headers)
        found = _routes.find(call.method, path)
        if found is None:
            response = self._error(404, "not_found", "Resource Not Found")
        else:
            handler, call.params = found
            try:
                response = handler(call, caller)
            except RefusedError as refused:
                response = refused.response
            except ValueError:
                response = self._error(400, "parameter_invalid", "the body is not valid JSON")
        response.headers.update(headers)
        return response

    def _caller(self, call: Call, region: str) -> _Caller:
        tokens = self._world.intercom.tokens
        token = tokens.find(call.bearer())
        workspace = self._world.intercom.workspaces.get(token.grant.account) if token else None
        if token is None or workspace is None:
            raise RefusedError(self.refusal("401", call))
        if not tokens.is_good(token, call.now):
            raise RefusedError(self.refusal("revoked", call))
        # the US host routes to the right region; the others serve their own only
        if region not in ("us", workspace.region.lower()):
            raise RefusedError(self.refusal("401", call))
        version = call.headers.get("intercom-version")
        if version is not None and version not in VERSIONS:
            raise RefusedError(
                self._error(400, "intercom_version_invalid", "The requested version is not valid")
            )
        admin = workspace.admins.get(token.grant.user) or next(iter(workspace.admins.values()))
        return _Caller(workspace, admin)

    def _throttle(self, workspace: Workspace, now: float) -> dict[str, str]:
        window = workspace.window
        taken = not self._world.knobs.rate_limits or window.take(now)
        headers = {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(window.remaining(now)),
            "X-RateLimit-Reset": str(int(window.resets_at(now))),
        }
        if not taken:
            response = self._error(*_REFUSALS["429"])
            response.headers.update(headers)
            raise RefusedError(response)
        return headers

    def _authorize(self, call: Call) -> Response:
        store = self._world.intercom
        if call.query.get("client_id") != store.client_id:
            return Response("Unknown client_id", 400, media_type="text/plain")
        target = call.query.get("redirect_uri") or store.redirect_uri
        if not target:
            return Response("No redirect_uri is set for this app", 400, media_type="text/plain")
        choices = [
            Choice(w.id, f"{w.name} ({w.region})", [(a.id, a.name) for a in w.admins.values()])
            for w in store.workspaces.values()
        ]
        chosen = choose_account("Intercom", call.query, choices)
        if isinstance(chosen, Response):
            return chosen
        code = store.tokens.authorize(*chosen, call.now)
        state = call.query.get("state")
        extra = {"code": code} if state is None else {"code": code, "state": state}
        return RedirectResponse(with_query(target, **extra), 302)

    def _exchange(self, call: Call) -> Response:
        store = self._world.intercom
        is_json = "json" in call.headers.get("content-type", "")
        form = call.json() if is_json else call.form()
        known = (form.get("client_id"), form.get("client_secret")) == (
            store.client_id,
            store.client_secret,
        )
        try:
            if not known:
                raise OAuthRefusedError("client")
            grant = store.tokens.redeem(
                str(form.get("code", "")), call.now, redirect_uri=None, verifier=None
            )
        except OAuthRefusedError:
            return self._error(401, "unauthorized", "Unauthorized Code")
        token = store.tokens.issue(grant, call.now, None).value
        return answer({"token_type": "Bearer", "token": token, "access_token": token})


@_routes.on("GET", "/me")
def _me(call: Call, caller: _Caller) -> Response:
    return answer(wire.me(caller.workspace, caller.admin))


@_routes.on("GET", "/admins")
def _admins(call: Call, caller: _Caller) -> Response:
    workspace = caller.workspace
    admins = [wire.admin_json(workspace, a) for a in workspace.admins.values()]
    return answer({"type": "admin.list", "admins": admins})


@_routes.on("GET", "/admins/{id}")
def _admin(call: Call, caller: _Caller) -> Response:
    admin = caller.workspace.admins.get(call.params["id"])
    return _missing("Admin") if admin is None else answer(wire.admin_json(caller.workspace, admin))


@_routes.on("GET", "/teams")
def _teams(call: Call, caller: _Caller) -> Response:
    teams = [wire.team_json(t) for t in caller.workspace.teams.values()]
    return answer({"type": "team.list", "teams": teams})


@_routes.on("GET", "/teams/{id}")
def _team(call: Call, caller: _Caller) -> Response:
    team = caller.workspace.teams.get(call.params["id"])
    return _missing("Team") if team is None else answer(wire.team_json(team))


@_routes.on("GET", "/contacts/{id}")
def _contact(call: Call, caller: _Caller) -> Response:
    contact = caller.workspace.contacts.get(call.params["id"])
    if contact is None:
        return _missing("User")
    return answer(wire.contact_json(caller.workspace, contact))


@_routes.on("GET", "/conversations")
def _list(call: Call, caller: _Caller) -> Response:
    found = list(caller.workspace.conversations.values())
    per_page = call.query.get("per_page", str(DEFAULT_PAGE))
    return _page(caller, found, per_page, call.query.get("starting_after"))


@_routes.on("POST", "/conversations/search")
def _search(call: Call, caller: _Caller) -> Response:
    body = call.json()
    pagination = body.get("pagination") or {}
    try:
        found = [
            c
            for c in caller.workspace.conversations.values()
            if matches(c, body.get("query") or {})
        ]
    except BadQueryError as error:
        return answer(wire.error_list("parameter_invalid", str(error)), 400)
    per_page = str(pagination.get("per_page") or DEFAULT_PAGE)
    return _page(caller, found, per_page, pagination.get("starting_after"))


@_routes.on("GET", "/conversations/{id}")
def _conversation(call: Call, caller: _Caller) -> Response:
    conversation = caller.workspace.conversations.get(call.params["id"])
    if conversation is None:
        return _missing("Resource")
    plaintext = call.query.get("display_as") == "plaintext"
    return answer(wire.full(caller.workspace, conversation, plaintext=plaintext))


def _page(caller: _Caller, found: list[Conversation], per_page: str, after: str | None) -> Response:
    """One page, newest update first; the cursor is the position of the next item."""
    if not per_page.isdigit() or not 1 <= int(per_page) <= MAX_PAGE:
        return answer(wire.error_list("parameter_invalid", "per_page is not valid"), 400)
    size, start = int(per_page), int(after) if after else 0
    found.sort(key=lambda c: (c.updated_at, c.id), reverse=True)
    items = [
        wire.list_item(caller.workspace, c, lambda text: text) for c in found[start : start + size]
    ]
    following = str(start + size) if start + size < len(found) else None
    return answer(wire.page(items, len(found), start // size + 1, size, following))


def _missing(what: str) -> Response:
    return answer(wire.error_list("not_found", f"{what} Not Found"), 404)


def _to_page(call: Call, path: str) -> Response:
    """The link that goes into notes leads to our page of the conversation."""
    parts: list[str] = path.split("/")
    root = call.base_url.removesuffix("/intercom")
    try:
        workspace = parts[parts.index("inbox") + 1]
    except (ValueError, IndexError):
        return RedirectResponse(root, 302)
    return RedirectResponse(f"{root}/inbox/{workspace}/{parts[-1]}", 302)


def view_of(conversation: Conversation, workspace: Workspace) -> Json:
    """The conversation as the control API shows it: whole, with HTML."""
    shown = wire.full(workspace, conversation, plaintext=False)
    shown["workspace"] = workspace.id
    shown["conversation_parts"]["conversation_parts"] = [
        wire.part_json(p, lambda text: text) for p in conversation.parts
    ]
    return shown
