"""HubSpot's calls about the account itself: its details, its owners, its deal pipelines."""

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import User
from simulators.http import Call, Json, Routes
from simulators.hubspot.caller import Caller
from simulators.hubspot.store import owner_id_of
from simulators.vendor import answer

FOUNDED = iso(1_577_836_800.0)

routes: Routes[Caller] = Routes()


@routes.on("GET", "/account-info/2026-09/details")
def _details(call: Call, caller: Caller) -> Response:
    return answer(
        {
            "portalId": int(caller.account.id),
            "accountType": "STANDARD",
            "timeZone": "Europe/Vienna",
            "companyCurrency": "EUR",
            "utcOffset": "+01:00",
            "utcOffsetMilliseconds": 3_600_000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        }
    )


@routes.on("GET", "/crm/owners/2026-09")
def _owners(call: Call, caller: Caller) -> Response:
    """An owner's id is not the user's: whoever mixes them up is refused when writing it."""
    wanted = call.query.get("email")
    users = [u for u in caller.account.users.values() if wanted in (None, u.email)]
    archived = call.query.get("archived", "").lower() == "true"
    return answer({"results": [] if archived else [_owner(user) for user in users]})


@routes.on("GET", "/crm/pipelines/2026-09/deals")
def _pipelines(call: Call, caller: Caller) -> Response:
    stages = ("appointmentscheduled", "qualifiedtobuy", "closedwon", "closedlost")
    pipeline = {
        "id": "default",
        "label": "Sales Pipeline",
        "displayOrder": 0,
        "stages": [_stage(name, order) for order, name in enumerate(stages)],
    }
    return answer({"results": [pipeline | _times()]})


def _owner(user: User) -> Json:
    first, _, last = user.name.partition(" ")
    return {
        "id": owner_id_of(user.id),
        "email": user.email,
        "type": "PERSON",
        "firstName": first,
        "lastName": last,
        "userId": int(user.id),
    } | _times()


def _stage(name: str, order: int) -> Json:
    won = {"isClosed": str(name.startswith("closed")).lower(), "probability": "0.5"}
    return {"id": name, "label": name, "displayOrder": order, "metadata": won} | _times()


def _times() -> Json:
    return {"createdAt": FOUNDED, "updatedAt": FOUNDED, "archived": False}
