"""Control of the CRMs: accounts, persons, notes as people change them, tokens, the whole store."""

from starlette.requests import Request
from starlette.routing import Route

from simulators.control import requests
from simulators.control.endpoint import ControlError, missing, read, route
from simulators.crm import CrmAccount, CrmStore, Note, Person, User
from simulators.crms import CRMS
from simulators.http import Json
from simulators.simulator import Simulator
from simulators.world import World

ACCOUNT = "/crm/{crm}/accounts/{account}"


class CrmControl:
    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        return [
            route("PUT", "/crm/{crm}/app", self.set_app),
            route("GET", "/crm/{crm}/accounts", self.accounts),
            route("POST", "/crm/{crm}/accounts", self.create_account),
            route("GET", ACCOUNT, self.account),
            route("PATCH", ACCOUNT, self.change_account),
            route("POST", ACCOUNT + "/persons", self.add_person),
            route("DELETE", ACCOUNT + "/persons/{id}", self.delete_person),
            route("POST", ACCOUNT + "/persons/{id}/merge", self.merge_persons),
            route("POST", ACCOUNT + "/notes", self.write_note),
            route("PATCH", ACCOUNT + "/notes/{id}", self.edit_note),
            route("DELETE", ACCOUNT + "/notes/{id}", self.delete_note),
            route("DELETE", ACCOUNT + "/activities/{id}", self.delete_activity),
            route("POST", ACCOUNT + "/tokens", self.issue_tokens),
            route("DELETE", ACCOUNT + "/tokens", self.revoke_tokens),
        ]

    async def set_app(self, request: Request) -> object:
        _, store = self._crm(request)
        given = await read(request, requests.CrmApp)
        store.client_id = given.client_id or store.client_id
        store.client_secret = given.client_secret or store.client_secret
        return {"client_id": store.client_id, "client_secret": store.client_secret}

    async def accounts(self, request: Request) -> object:
        _, store = self._crm(request)
        return {
            "accounts": [
                {"crm": a.crm, "id": a.id, "name": a.name} for a in store.accounts.values()
            ]
        }

    async def create_account(self, request: Request) -> object:
        crm, store = self._crm(request)
        given = await read(request, requests.NewAccount)
        if given.id in store.accounts:
            raise ControlError(409, f"account {given.id} is there already")
        if crm.numeric_ids and not given.id.isdigit():
            raise ControlError(400, f"id: {crm.title} account ids are digits")
        users = [User(u.id, u.email, u.name or u.email) for u in given.users] or [
            User("9", f"admin@{given.id}.example", "Admin")
        ]
        account = crm.new_account(given.id, given.name or given.id, users)
        _set_limits(account, given.limits)
        account.search_lag_s = given.search_lag_s
        account.token_lifetime_s = given.token_lifetime_s
        for person in given.persons:
            self._add_person(account, person)
        store.accounts[account.id] = account
        return account.view() | self._tokens(request, crm, account, account.first_user())

    async def account(self, request: Request) -> object:
        return self._account(request).view()

    async def change_account(self, request: Request) -> object:
        account = self._account(request)
        given = await read(request, requests.AccountChange)
        _set_limits(account, given.limits)
        for name in given.model_fields_set - {"limits"}:
            setattr(account, name, getattr(given, name))
        return account.view()

    async def add_person(self, request: Request) -> object:
        account = self._account(request)
        return self._add_person(account, await read(request, requests.NewPerson)).view()

    async def delete_person(self, request: Request) -> object:
        account = self._account(request)
        person = self._person(account, request.path_params["id"])
        account.delete_person(person, self._world.clock.now(), "hand")
        return person.view()

    async def merge_persons(self, request: Request) -> object:
        account = self._account(request)
        loser = self._person(account, request.path_params["id"])
        survivor = self._person(account, (await read(request, requests.Merge)).into)
        if loser is survivor:
            raise ControlError(400, "into: a person is not merged into itself")
        account.merge_persons(loser, survivor, self._world.clock.now())
        return survivor.view()

    async def write_note(self, request: Request) -> object:
        account = self._account(request)
        given = await read(request, requests.NewNote)
        person = self._person(account, given.person_id)
        now = self._world.clock.now()
        note = account.add_note(
            now,
            "hand",
            person_ids=[person.id],
            body=given.body,
            user_id=given.user_id or account.first_user(),
            said_at=now,
        )
        return note.view()

    async def edit_note(self, request: Request) -> object:
        account = self._account(request)
        note = self._note(account, request.path_params["id"])
        given = await read(request, requests.NoteEdit)
        body = note.body if given.body is None else given.body
        body = given.prepend + body + given.append
        account.set_note_body(note, body, self._world.clock.now(), "hand")
        return note.view()

    async def delete_note(self, request: Request) -> object:
        note = self._note(self._account(request), request.path_params["id"])
        note.delete(self._world.clock.now(), "hand")
        return note.view()

    async def delete_activity(self, request: Request) -> object:
        activity_id = request.path_params["id"]
        activity = self._account(request).activities.get(activity_id)
        if activity is None or activity.deleted:
            raise missing("activity", activity_id)
        activity.delete(self._world.clock.now(), "hand")
        return activity.view()

    async def issue_tokens(self, request: Request) -> object:
        crm, _ = self._crm(request)
        account = self._account(request)
        user = (await read(request, requests.NewCrmToken)).user_id or account.first_user()
        if user not in account.users:
            raise missing("user", user)
        return self._tokens(request, crm, account, user)

    async def revoke_tokens(self, request: Request) -> object:
        _, store = self._crm(request)
        return {"revoked": store.tokens.revoke(self._account(request).id)}

    def _tokens(self, request: Request, crm: Simulator, account: CrmAccount, user: str) -> Json:
        root = self._world.public_url(request)
        grant = self._world.crms[account.crm].tokens.grant(account.id, user)
        given = crm.tokens(self._world, grant, self._world.clock.now(), root)
        return {
            "access_token": given["access_token"],
            "refresh_token": given["refresh_token"],
            "expires_in": given["expires_in"],
            "api_base": crm.api_base(root, account.id),
        }

    def _add_person(self, account: CrmAccount, given: requests.NewPerson) -> Person:
        if given.id in account.persons:
            raise ControlError(409, f"person {given.id} is there already")
        emails = ([given.email] if given.email else []) + given.emails
        return account.add_person(
            self._world.clock.now(),
            "hand",
            name=given.name,
            emails=list(dict.fromkeys(emails)),
            phone=given.phone,
            person_id=given.id,
            extra={"lead": True} if given.lead else None,
        )

    def _crm(self, request: Request) -> tuple[Simulator, CrmStore]:
        name = request.path_params["crm"]
        if name not in CRMS:
            raise missing("CRM", name)
        return CRMS[name], self._world.crms[name]

    def _account(self, request: Request) -> CrmAccount:
        _, store = self._crm(request)
        account = store.accounts.get(request.path_params["account"])
        if account is None:
            raise missing("account", request.path_params["account"])
        return account

    def _person(self, account: CrmAccount, person_id: str) -> Person:
        person = account.live_person(person_id)
        if person is None:
            raise missing("person", person_id)
        return person

    def _note(self, account: CrmAccount, note_id: str) -> Note:
        note = account.notes.get(note_id)
        if note is None or note.deleted:
            raise missing("note", note_id)
        return note


def _set_limits(account: CrmAccount, limits: Json) -> None:
    try:
        account.set_limits(limits)
    except (ValueError, KeyError, TypeError) as error:
        raise ControlError(400, f"limits: {error}") from error
