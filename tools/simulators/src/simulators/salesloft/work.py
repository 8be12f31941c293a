"""Who am I, the team, its users, and tasks, which take a key that makes them once."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import Activity, User
from simulators.http import Call, Json, Routes
from simulators.salesloft.caller import Caller
from simulators.salesloft.errors import invalid
from simulators.salesloft.lists import TIMES, href, listed, one, values

REQUIRED: Final = ("subject", "person_id", "user_id", "task_type", "due_date", "current_state")
KINDS: Final = ("call", "email", "general")

routes: Routes[Caller] = Routes()


@routes.on("GET", "/v2/me.json")
def _me(call: Call, caller: Caller) -> Response:
    return one(_user_json(caller, caller.account.users[caller.user_id]))


@routes.on("GET", "/v2/team.json")
def _team(call: Call, caller: Caller) -> Response:
    return one({"id": int(caller.account.id), "name": caller.account.name, "deactivated": False})


@routes.on("GET", "/v2/users.json")
def _users(call: Call, caller: Caller) -> Response:
    found = list(caller.account.users.values())
    for word in call.query.get("search", "").lower().split():
        found = [u for u in found if word in u.name.lower() or word in u.email.lower()]
    if guids := values(call, "guid"):
        found = [u for u in found if caller.account.guid(u.id) in guids]
    keys = {"id": lambda u: int(u.id), "email": lambda u: u.email, "name": lambda u: u.name}
    return listed(call, found, lambda u: _user_json(caller, u), keys, "id")


@routes.on("POST", "/v2/tasks.json")
def _create_task(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    missing = [name for name in REQUIRED if not body.get(name)]
    if missing:
        return invalid(missing[0], "can't be blank")
    if body["task_type"] not in KINDS or body["current_state"] != "scheduled":
        return invalid("task_type", "is not valid")
    person = account.live_person(str(body["person_id"]))
    if person is None or str(body["user_id"]) not in account.users:
        return invalid("person_id" if person is None else "user_id", "is not valid")
    key = body.get("idempotency_key")
    if key in account.task_keys:
        return one(_task_json(account.activities[account.task_keys[key]]))
    text = str(body.get("description") or "")
    task = Activity(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=[person.id],
        subject=str(body["subject"]),
        type=str(body["task_type"]),
        done=False,
        due_date=str(body["due_date"]),
        due_time=None,
        body=account.sanitize(text),
        body_sent=text,
        user_id=str(body["user_id"]),
    )
    account.activities[task.id] = task
    if key:
        account.task_keys[str(key)] = task.id
    account.calls["activity.create"] += 1
    return one(_task_json(task))


@routes.on("GET", "/v2/tasks.json")
def _tasks(call: Call, caller: Caller) -> Response:
    account = caller.account
    found = [t for t in account.activities.values() if not t.deleted]
    if "idempotency_key" in call.query:
        found = [t for t in found if account.task_keys.get(call.query["idempotency_key"]) == t.id]
    if people := values(call, "person_id"):
        found = [t for t in found if t.person_ids[0] in people]
    return listed(call, found, _task_json, TIMES, "updated_at")


def _user_json(caller: Caller, user: User) -> Json:
    first, _, last = user.name.partition(" ")
    return {
        "id": int(user.id),
        "guid": caller.account.guid(user.id),
        "name": user.name,
        "first_name": first,
        "last_name": last or None,
        "email": user.email,
        "active": True,
        "team": href("team", caller.account.id),
        "team_admin": user.id == caller.account.first_user(),
    }


def _task_json(task: Activity) -> Json:
    return {
        "id": int(task.id),
        "subject": task.subject,
        "description": task.body or None,
        "task_type": task.type,
        "current_state": "completed" if task.done else "scheduled",
        "due_date": task.due_date,
        "person": href("people", task.person_ids[0]),
        "user": href("users", task.user_id),
        "created_at": iso(task.created_at),
        "updated_at": iso(task.updated_at),
    }
