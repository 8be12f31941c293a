"""HubSpot's calls on many objects: search, batch read and upsert, associations."""

from collections.abc import Sequence

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import Person
from simulators.http import Call, Json, RefusedError, Routes
from simulators.hubspot.caller import Caller
from simulators.hubspot.errors import error, not_found
from simulators.hubspot.objects import (
    OBJECTS,
    change,
    create,
    find,
    kind_in,
    linked,
    paged,
)
from simulators.hubspot.search import MAX_LIMIT, BadSearchError, passes
from simulators.hubspot.store import ASSOCIATION_TYPES, KINDS, HubSpotAccount, shown
from simulators.vendor import answer

ASSOCIATIONS = "/crm/associations/2026-09/{from_kind}/{to_kind}/batch"
MAX_BATCH, MAX_ASSOCIATION_BATCH = 100, 1000

routes: Routes[Caller] = Routes()


@routes.on("POST", OBJECTS + "/search")
def _search(call: Call, caller: Caller) -> Response:
    """Reads the index, which lags behind the records."""
    kind, body = kind_in(call), call.json()
    limit, after = int(body.get("limit", 10)), int(body.get("after") or 0)
    if limit > MAX_LIMIT:
        return error(400, "VALIDATION_ERROR", f"limit must be at most {MAX_LIMIT}")
    records = caller.account.records(kind).values()
    visible = caller.account.searchable(records, call.now, caller.search_lag_s)
    try:
        hits = [r for r in visible if passes(r, body.get("filterGroups") or [])]
    except BadSearchError as problem:
        return error(400, "VALIDATION_ERROR", str(problem))
    results = [shown(r, body.get("properties") or []) for r in hits[after : after + limit]]
    return answer(paged({"total": len(hits), "results": results}, after + limit, len(hits)))


@routes.on("POST", OBJECTS + "/batch/read")
def _batch_read(call: Call, caller: Caller) -> Response:
    kind, body = kind_in(call), call.json()
    wanted = body.get("properties") or []
    by_email = body.get("idProperty") == "email"
    results, missing = [], []
    for item in _inputs(body, MAX_BATCH):
        try:
            if by_email:
                record = caller.account.contact_by_email(str(item["id"]))
                if record is None:
                    raise RefusedError(not_found(str(item["id"])))
                results.append(shown(record, wanted))
            else:
                results.append(shown(find(caller.account, kind, str(item["id"])), wanted))
        except RefusedError:
            missing.append(str(item["id"]))
    return _batch(call.now, results, missing)


@routes.on("POST", OBJECTS + "/batch/upsert")
def _upsert(call: Call, caller: Caller) -> Response:
    """Contacts by email only: what else takes a unique property is not known for sure."""
    kind = kind_in(call)
    results = []
    for item in _inputs(call.json(), MAX_BATCH):
        if kind != "contacts" or item.get("idProperty") != "email":
            text = (
                f"Unable to perform update/upsert by non-unique {item.get('idProperty')} property"
            )
            return error(400, "VALIDATION_ERROR", text)
        given = {str(k): str(v) for k, v in item["properties"].items()} | {"email": item["id"]}
        person = caller.account.contact_by_email(item["id"])
        is_new = person is None
        if person is None:
            record = create(caller, kind, given, [], call.now)
        else:
            change(caller.account, person, given, call.now)
            caller.account.calls["person.update"] += 1
            record = person
        results.append(shown(record, given) | {"new": is_new})
    return _batch(call.now, results, [])


@routes.on("POST", ASSOCIATIONS + "/read")
def _associations(call: Call, caller: Caller) -> Response:
    """Reads the record store: no lag."""
    from_kind, to_kind = _kinds(call)
    label = {
        "category": "HUBSPOT_DEFINED",
        "typeId": ASSOCIATION_TYPES.get((from_kind, to_kind), 0),
    }
    results, missing = [], []
    for item in _inputs(call.json(), MAX_ASSOCIATION_BATCH):
        ids = _linked(caller.account, from_kind, str(item["id"]), to_kind)
        if not ids:
            missing.append(str(item["id"]))
            continue
        to = [{"toObjectId": i, "associationTypes": [label]} for i in ids]
        results.append({"from": {"id": str(item["id"])}, "to": to})
    return _batch(call.now, results, missing, what="No associations")


@routes.on("POST", ASSOCIATIONS + "/associate/default")
def _associate_many(call: Call, caller: Caller) -> Response:
    from_kind, to_kind = _kinds(call)
    pairs = [(str(i["from"]["id"]), str(i["to"]["id"])) for i in _inputs(call.json(), MAX_BATCH)]
    return _associate(call, caller, from_kind, to_kind, pairs)


@routes.on(
    "PUT",
    "/crm/objects/2026-09/{from_kind}/{from_id}/associations/default/{to_kind}/{to_id}",
)
def _associate_one(call: Call, caller: Caller) -> Response:
    pair = (call.params["from_id"], call.params["to_id"])
    return _associate(call, caller, *_kinds(call), [pair])


@routes.on("GET", "/crm/objects/2026-03/{from_kind}/{id}/associations/{to_kind}")
def _associations_of_one(call: Call, caller: Caller) -> Response:
    from_kind, to_kind = _kinds(call)
    record = find(caller.account, from_kind, call.params["id"])
    limit, after = int(call.query.get("limit", "500")), int(call.query.get("after", "0"))
    ids = linked(caller.account, record, to_kind)
    label = {
        "category": "HUBSPOT_DEFINED",
        "typeId": ASSOCIATION_TYPES.get((from_kind, to_kind), 0),
    }
    results = [{"toObjectId": i, "associationTypes": [label]} for i in ids[after : after + limit]]
    return answer(paged({"results": results}, after + limit, len(ids)))


def _associate(
    call: Call, caller: Caller, from_kind: str, to_kind: str, pairs: list[tuple[str, str]]
) -> Response:
    results = []
    for from_id, to_id in pairs:
        ends = (find(caller.account, from_kind, from_id), find(caller.account, to_kind, to_id))
        person = next((e for e in ends if isinstance(e, Person)), None)
        other = next((e for e in ends if not isinstance(e, Person)), None)
        if person is not None and other is not None:
            person_ids: list[str] = getattr(other, "person_ids")  # noqa: B009 - all but persons have it
            if person.id not in person_ids:
                person_ids.append(person.id)
        results.append(
            {
                "from": {"id": from_id},
                "to": {"id": to_id},
                "associationSpec": {
                    "associationCategory": "HUBSPOT_DEFINED",
                    "associationTypeId": ASSOCIATION_TYPES.get((from_kind, to_kind), 0),
                },
            }
        )
    caller.account.calls["association.create"] += len(pairs)
    return _batch(call.now, results, [])


def _linked(account: HubSpotAccount, kind: str, object_id: str, to_kind: str) -> list[str]:
    try:
        return linked(account, find(account, kind, object_id), to_kind)
    except RefusedError:
        return []


def _kinds(call: Call) -> tuple[str, str]:
    pair = (call.params["from_kind"], call.params["to_kind"])
    if any(kind not in KINDS for kind in pair):
        raise RefusedError(error(400, "VALIDATION_ERROR", "Unable to infer object type"))
    return pair


def _inputs(body: Json, at_most: int) -> list[Json]:
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or len(inputs) > at_most:
        raise RefusedError(error(400, "VALIDATION_ERROR", f"inputs: at most {at_most}"))
    return inputs


def _batch(
    now: float,
    results: Sequence[Json],
    missing: list[str],
    what: str = "Could not get some objects",
) -> Response:
    """200, or 207 when part of it failed."""
    body: Json = {
        "status": "COMPLETE",
        "results": list(results),
        "startedAt": iso(now),
        "completedAt": iso(now),
    }
    if not missing:
        return answer(body)
    problem = {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"{what}: {', '.join(missing)}",
        "context": {"ids": missing},
        "errors": [],
        "links": {},
    }
    return answer({**body, "numErrors": 1, "errors": [problem]}, 207)
