"""Deals, tasks, users, and who the token stands for."""

from starlette.responses import Response

from simulators.clock import iso_seconds
from simulators.crm import Activity, Deal
from simulators.http import Call, Json, RefusedError, Routes
from simulators.vendor import answer
from simulators.zendesk_sell.caller import Caller
from simulators.zendesk_sell.errors import invalid
from simulators.zendesk_sell.lists import data_of, listed, one, required

routes: Routes[Caller] = Routes()


@routes.on("GET", "/v2/users/self")
def _me(call: Call, caller: Caller) -> Response:
    return one("user", _user_json(caller, caller.user_id))


@routes.on("GET", "/v2/users")
def _users(call: Call, caller: Caller) -> Response:
    found = list(caller.account.users)
    if "email" in call.query:
        wanted = call.query["email"].lower()
        found = [u for u in found if caller.account.users[u].email.lower() == wanted]
    items = [{"data": _user_json(caller, u), "meta": {"type": "user"}} for u in found]
    meta = {"type": "collection", "count": len(items), "links": {"self": call.base_url + call.path}}
    return answer({"items": items, "meta": meta})


@routes.on("GET", "/v2/accounts/self")
def _account(call: Call, caller: Caller) -> Response:
    data = {
        "id": int(caller.account.id),
        "name": caller.account.name,
        "currency": "EUR",
        "timezone": "UTC+01:00",
    }
    return one("account", data)


@routes.on("POST", "/v2/deals")
def _create_deal(call: Call, caller: Caller) -> Response:
    account, data = caller.account, data_of(call, "deal")
    required(data, "deal", "name")
    contact = account.live("contact", str(data.get("contact_id")))
    if contact is None:
        raise RefusedError(invalid("unknown", "deal", "contact_id", "There is no such contact"))
    deal = Deal(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=[contact.id],
        title=str(data["name"]),
        extra={"owner_id": data.get("owner_id"), "value": data.get("value")},
    )
    account.deals[deal.id] = deal
    account.calls["deal.create"] += 1
    return one("deal", _deal_json(caller, deal))


@routes.on("GET", "/v2/deals")
def _deals(call: Call, caller: Caller) -> Response:
    found = [d for d in caller.account.deals.values() if not d.deleted]
    if "contact_id" in call.query:
        found = [d for d in found if call.query["contact_id"] in d.person_ids]
    return listed(call, "deal", found, lambda d: _deal_json(caller, d))


@routes.on("POST", "/v2/tasks")
def _create_task(call: Call, caller: Caller) -> Response:
    account, data = caller.account, data_of(call, "task")
    required(data, "task", "content")
    person = account.live(str(data.get("resource_type")), str(data.get("resource_id")))
    if person is None:
        raise RefusedError(invalid("unknown", "task", "resource_id", "There is no such record"))
    text = str(data["content"])
    task = Activity(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=[person.id],
        subject=text,
        type="task",
        done=bool(data.get("completed")),
        due_date=data.get("due_date"),
        due_time=None,
        body=text,
        body_sent=text,
        user_id=str(data.get("owner_id") or caller.user_id),
        extra={"resource_type": data["resource_type"]},
    )
    account.activities[task.id] = task
    account.calls["activity.create"] += 1
    return one("task", _task_json(task))


@routes.on("GET", "/v2/tasks")
def _tasks(call: Call, caller: Caller) -> Response:
    found = [a for a in caller.account.activities.values() if not a.deleted]
    if "resource_id" in call.query:
        found = [a for a in found if call.query["resource_id"] in a.person_ids]
    return listed(call, "task", found, _task_json)


def _user_json(caller: Caller, user_id: str) -> Json:
    user = caller.account.users[user_id]
    return {
        "id": int(user.id),
        "name": user.name,
        "email": user.email,
        "status": "active",
        "invited": False,
        "confirmed": True,
        "role": "user",
        "timezone": "UTC+01:00",
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "deleted_at": None,
    }


def _deal_json(caller: Caller, deal: Deal) -> Json:
    return {
        "id": int(deal.id),
        "name": deal.title,
        "contact_id": int(deal.person_ids[0]),
        "creator_id": int(caller.user_id),
        "owner_id": int(deal.extra.get("owner_id") or caller.user_id),
        "currency": "EUR",
        "value": deal.extra.get("value") or 0,
        "hot": False,
        "stage_id": 1,
        "organization_id": None,
        "source_id": None,
        "tags": [],
        "created_at": iso_seconds(deal.created_at),
        "updated_at": iso_seconds(deal.updated_at),
    }


def _task_json(task: Activity) -> Json:
    return {
        "id": int(task.id),
        "content": task.body,
        "completed": task.done,
        "completed_at": None,
        "due_date": task.due_date,
        "overdue": False,
        "remind_at": None,
        "creator_id": int(task.user_id),
        "owner_id": int(task.user_id),
        "resource_type": task.extra["resource_type"],
        "resource_id": int(task.person_ids[0]),
        "created_at": iso_seconds(task.created_at),
        "updated_at": iso_seconds(task.updated_at),
    }
