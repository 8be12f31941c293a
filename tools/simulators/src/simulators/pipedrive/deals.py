"""Deals in API v2, and leads, which are kept beside them, in API v1."""

import uuid

from starlette.responses import Response

from simulators.clock import iso_seconds, parse_time
from simulators.crm import Deal
from simulators.http import Call, Json, Routes
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import bad_request, error
from simulators.pipedrive.paging import listed
from simulators.pipedrive.persons import living, owner_of
from simulators.vendor import answer

routes: Routes[Caller] = Routes()
lead_routes: Routes[Caller] = Routes()


@routes.on("GET", "/api/v2/deals")
def _deals(call: Call, caller: Caller) -> Response:
    found = [deal for deal in caller.account.deals.values() if not deal.extra.get("lead")]
    if "person_id" in call.query:
        found = [d for d in found if call.query["person_id"] in d.person_ids]
    return listed(call, found, lambda d: _deal_json(caller, d))


@routes.on("POST", "/api/v2/deals")
def _create_deal(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    if not body.get("title"):
        return bad_request("title: Required")
    person_ids = [living(caller, body["person_id"])] if body.get("person_id") else []
    deal = Deal(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=person_ids,
        title=str(body["title"]),
        extra={name: body[name] for name in ("value", "currency", "owner_id") if name in body},
    )
    account.deals[deal.id] = deal
    account.calls["deal.create"] += 1
    return answer({"success": True, "data": _deal_json(caller, deal)})


@routes.on("GET", "/api/v2/deals/{id}")
def _deal(call: Call, caller: Caller) -> Response:
    deal = caller.account.deals.get(call.params["id"])
    if deal is None or deal.deleted or deal.extra.get("lead"):
        return error(404, "Deal not found")
    return answer({"success": True, "data": _deal_json(caller, deal)})


@lead_routes.on("GET", "/api/v1/leads")
def _leads(call: Call, caller: Caller) -> Response:
    query = call.query
    found = [deal for deal in caller.account.deals.values() if deal.extra.get("lead")]
    if "person_id" in query:
        found = [lead for lead in found if query["person_id"] in lead.person_ids]
    if "updated_since" in query:
        found = [lead for lead in found if lead.updated_at >= parse_time(query["updated_since"])]
    start, limit = int(query.get("start", "0")), min(int(query.get("limit", "100")), 500)
    shown = [_lead_json(caller, lead) for lead in found[start : start + limit]]
    pagination: Json = {
        "start": start,
        "limit": limit,
        "more_items_in_collection": start + limit < len(found),
    }
    return answer({"success": True, "data": shown, "additional_data": pagination})


@lead_routes.on("POST", "/api/v1/leads")
def _create_lead(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    if not body.get("title") or not body.get("person_id"):
        return bad_request("title and person_id or organization_id: Required")
    kept = ("origin_id", "owner_id")
    lead = Deal(
        id=str(uuid.uuid4()),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=[living(caller, body["person_id"])],
        title=str(body["title"]),
        extra={"lead": True} | {name: body[name] for name in kept if name in body},
    )
    account.deals[lead.id] = lead
    account.calls["lead.create"] += 1
    return answer({"success": True, "data": _lead_json(caller, lead)}, 201)


def _lead_json(caller: Caller, lead: Deal) -> Json:
    return {
        "id": lead.id,
        "title": lead.title,
        "owner_id": owner_of(caller, lead),
        "creator_id": int(caller.user_id),
        "label_ids": [],
        "person_id": int(lead.person_ids[0]),
        "organization_id": None,
        "source_name": "API",
        "origin": "API",
        "origin_id": lead.extra.get("origin_id"),
        "is_archived": False,
        "was_seen": False,
        "value": None,
        "add_time": iso_seconds(lead.created_at),
        "update_time": iso_seconds(lead.updated_at),
        "visible_to": "3",
    }


def _deal_json(caller: Caller, deal: Deal) -> Json:
    return {
        "id": int(deal.id),
        "title": deal.title,
        "owner_id": owner_of(caller, deal),
        "person_id": int(deal.person_ids[0]) if deal.person_ids else None,
        "org_id": None,
        "pipeline_id": 1,
        "stage_id": 1,
        "value": deal.extra.get("value") or 0,
        "currency": deal.extra.get("currency") or "EUR",
        "add_time": iso_seconds(deal.created_at),
        "update_time": iso_seconds(deal.updated_at),
        "is_deleted": deal.deleted,
        "status": "open",
        "visible_to": 3,
        "custom_fields": {},
    }
