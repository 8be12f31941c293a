"""Deals in API v2."""

from starlette.responses import Response

from simulators.clock import iso_seconds
from simulators.crm import Deal
from simulators.http import Call, Json, Routes
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import bad_request, error
from simulators.pipedrive.paging import listed
from simulators.pipedrive.persons import living, owner_of
from simulators.vendor import answer

routes: Routes[Caller] = Routes()


@routes.on("GET", "/api/v2/deals")
def _deals(call: Call, caller: Caller) -> Response:
    found = list(caller.account.deals.values())
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
        extra={"value": body.get("value", 0), "currency": body.get("currency", "EUR")},
    )
    account.deals[deal.id] = deal
    account.calls["deal.create"] += 1
    return answer({"success": True, "data": _deal_json(caller, deal)})


@routes.on("GET", "/api/v2/deals/{id}")
def _deal(call: Call, caller: Caller) -> Response:
    deal = caller.account.deals.get(call.params["id"])
    if deal is None or deal.deleted:
        return error(404, "Deal not found")
    return answer({"success": True, "data": _deal_json(caller, deal)})


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
