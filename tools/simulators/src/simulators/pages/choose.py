"""The vendors' consent page: which account lets our app in."""

from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.responses import Response

from simulators.pages.rendering import page


@dataclass(frozen=True, slots=True)
class Choice:
    account: str
    title: str
    users: list[tuple[str, str]]  # id, name


def choose_account(
    vendor: str, query: QueryParams, choices: list[Choice]
) -> tuple[str, str] | Response:
    """Account and user when the query names them or there is only one account; else the page."""
    wanted = query.get("account")
    picked = [c for c in choices if c.account == wanted] if wanted else choices
    if wanted and not picked:
        return Response("No such account", 404, media_type="text/plain")
    if len(picked) == 1:
        choice = picked[0]
        users = [user for user, _ in choice.users]
        user = query.get("user") or (users[0] if users else "")
        if user in users:
            return choice.account, user
        return Response("No such user in this account", 404, media_type="text/plain")
    kept = [(k, v) for k, v in query.multi_items() if k not in ("account", "user")]
    return page("choose.html", title=f"Connect {vendor}", vendor=vendor, choices=choices, kept=kept)
