"""Users, tasks and opportunities."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import Activity, Deal, User
from simulators.http import Call, Json, RefusedError, Routes
from simulators.keap.caller import Caller
from simulators.keap.contacts import living
from simulators.keap.errors import error
from simulators.keap.lists import by_time, conditions, matches, ordered, page
from simulators.keap.store import STAGES
from simulators.vendor import answer

BASE: Final = "/crm/rest/v2"
USERS_PER_PAGE: Final = 100

routes: Routes[Caller] = Routes()


@routes.on("GET", BASE + "/oauth/connect/userinfo")
def _userinfo(call: Call, caller: Caller) -> Response:
    user = caller.account.users[caller.user_id]
    first, _, last = user.name.partition(" ")
    return answer(
        {
            "id": caller.account.global_id(user.id),
            "sub": caller.account.global_id(user.id),
            "keap_id": user.email,
            "email": user.email,
            "given_name": first,
            "family_name": last or None,
            "is_admin": True,
            "tenant_id": caller.account.id,
        }
    )


@routes.on("GET", BASE + "/users")
def _users(call: Call, caller: Caller) -> Response:
    wanted = conditions(call, ("email", "given_name", "include_inactive", "user_ids"))
    found = list(caller.account.users.values())
    if "email" in wanted:
        found = [u for u in found if matches(wanted["email"], u.email)]
    if "user_ids" in wanted:
        found = [u for u in found if u.id in wanted["user_ids"].split(",")]
    ordered(call, found, {"id": lambda u: int(u.id), "email": lambda u: u.email})
    shown = [_user_json(caller, u) for u in found]
    return page(call, "users", shown, most=USERS_PER_PAGE)


@routes.on("POST", BASE + "/tasks")
def _create_task(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    _known_user(caller, body.get("assigned_to_user_id"))
    contact = body.get("contact_id")
    text = str(body.get("description") or "")
    due = str(body["due_time"]) if body.get("due_time") else None
    task = Activity(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=[living(caller, str(contact)).id] if contact else [],
        subject=str(body.get("title") or ""),
        type=str(body.get("type") or "OTHER"),
        done=bool(body.get("completed", False)),
        due_date=due[:10] if due else None,
        due_time=due[11:] if due else None,
        body=account.sanitize(text),
        body_sent=text,
        user_id=str(body["assigned_to_user_id"]),
        extra={"due": due, "priority": body.get("priority", "NONESSENTIAL")},
    )
    account.activities[task.id] = task
    account.calls["activity.create"] += 1
    return answer(_task_json(task), 201)


@routes.on("GET", BASE + "/tasks")
def _tasks(call: Call, caller: Caller) -> Response:
    wanted = conditions(call, ("contact_id", "user_id", "task_ids", "id", "title"))
    found = [t for t in caller.account.activities.values() if not t.deleted]
    if "contact_id" in wanted:
        found = [t for t in found if wanted["contact_id"] in t.person_ids]
    if "title" in wanted:
        found = [t for t in found if matches(wanted["title"], t.subject)]
    ordered(call, found, {"id": lambda t: int(t.id), "create_time": by_time})
    return page(call, "tasks", [_task_json(t) for t in found])


@routes.on("GET", BASE + "/opportunities")
def _opportunities(call: Call, caller: Caller) -> Response:
    wanted = conditions(call, ("contact_id", "stage_id", "user_id", "opportunity_title"))
    found = [d for d in caller.account.deals.values() if not d.deleted]
    if "contact_id" in wanted:
        found = [d for d in found if wanted["contact_id"] in d.person_ids]
    if "opportunity_title" in wanted:
        found = [d for d in found if matches(wanted["opportunity_title"], d.title)]
    # By id where nothing is asked for; Keap's own order is not told.
    ordered(call, found, {"id": lambda d: int(d.id), "created_time": by_time})
    return page(call, "opportunities", [_opportunity_json(caller, d) for d in found])


@routes.on("GET", BASE + "/opportunities/stages")
def _stages(call: Call, caller: Caller) -> Response:
    stages = [
        {"id": str(number), "name": name, "order": number, "probability": 10 * number}
        for number, name in enumerate(STAGES, 1)
    ]
    return page(call, "stages", stages)


@routes.on("POST", BASE + "/opportunities")
def _create_opportunity(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    missing = [n for n in ("contact_id", "opportunity_title", "stage_id") if not body.get(n)]
    if missing:
        return error(400, f"{missing[0]} is required", missing[0])
    if str(body["stage_id"]) not in map(str, range(1, len(STAGES) + 1)):
        return error(400, "stage_id is not valid", "stage_id")
    if body.get("user_id"):
        _known_user(caller, body["user_id"])
    deal = Deal(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=[living(caller, str(body["contact_id"])).id],
        title=str(body["opportunity_title"]),
        extra={
            "stage": str(body["stage_id"]),
            "user": body.get("user_id"),
            "notes": body.get("opportunity_notes"),
        },
    )
    account.deals[deal.id] = deal
    account.calls["deal.create"] += 1
    return answer(_opportunity_json(caller, deal), 201)


def _known_user(caller: Caller, user_id: object) -> None:
    if str(user_id or "") not in caller.account.users:
        raise RefusedError(error(400, "the user is not valid", "user_id"))


def _user_json(caller: Caller, user: User) -> Json:
    first, _, last = user.name.partition(" ")
    return {
        "id": user.id,
        "global_user_id": caller.account.global_id(user.id),
        "keap_id": user.email,
        "given_name": first,
        "family_name": last or None,
        "email_addresses": [{"email": user.email, "field": "EMAIL1"}],
        "phone_numbers": [],
        "admin": True,
        "partner": False,
        "status": "ACTIVE",
    }


def _task_json(task: Activity) -> Json:
    return {
        "id": task.id,
        "title": task.subject,
        "description": task.body or None,
        "type": task.type,
        "priority": task.extra["priority"],
        "completed": task.done,
        "due_time": task.extra["due"],
        "assigned_to_user_id": task.user_id,
        "created_by_user_id": task.user_id,
        "contact_id": task.person_ids[0] if task.person_ids else None,
        "create_time": iso(task.created_at),
        "modification_time": iso(task.updated_at),
    }


def _opportunity_json(caller: Caller, deal: Deal) -> Json:
    stage = int(deal.extra["stage"])
    user = caller.account.users.get(str(deal.extra["user"]))
    return {
        "id": deal.id,
        "opportunity_title": deal.title,
        "opportunity_notes": deal.extra["notes"],
        "contact": {"id": deal.person_ids[0]},
        "stage": {"id": str(stage), "name": STAGES[stage - 1], "reasons": []},
        "user": {"id": user.id, "first_name": user.name, "last_name": None} if user else None,
        "created_time": iso(deal.created_at),
        "last_updated_time": iso(deal.updated_at),
    }
