"""`POST /conversations/search`: filters, groups of filters, and which conversations pass them."""

from simulators.http import Json
from simulators.intercom.store import Conversation

MAX_FILTERS = 15
MAX_NESTING = 2


class BadQueryError(Exception):
    """The query can't be understood; the text says why."""


def matches(conversation: Conversation, query: Json, depth: int = 0) -> bool:
    """Whether the conversation passes.

    Raises:
        BadQueryError: unknown operator or field, too deep, too many filters.

    """
    operator, value = query.get("operator"), query.get("value")
    if operator in ("AND", "OR"):
        if not isinstance(value, list) or len(value) > MAX_FILTERS or depth >= MAX_NESTING:
            message = "too many or too deeply nested filters"
            raise BadQueryError(message)
        passed = [matches(conversation, part, depth + 1) for part in value]
        return all(passed) if operator == "AND" else any(passed)
    return _passes(_field(conversation, str(query.get("field"))), operator, value)


def _field(conversation: Conversation, name: str) -> list[object]:
    """The values of the field: several for contacts and teammates."""
    fields: dict[str, list[object]] = {
        "id": [conversation.id],
        "created_at": [conversation.created_at],
        "updated_at": [conversation.updated_at],
        "state": [conversation.state],
        "open": [conversation.state == "open"],
        "admin_assignee_id": [conversation.admin_assignee_id],
        "team_assignee_id": [conversation.team_assignee_id],
        "source.type": [conversation.source.type],
        "source.delivered_as": [conversation.source.delivered_as],
        "source.author.id": [conversation.source.author.id],
        "source.author.type": [conversation.source.author.type],
        "contact_ids": list(conversation.contact_ids),
        "teammate_ids": list(conversation.teammates()),
    }
    if name not in fields:
        message = f"no such field: {name}"
        raise BadQueryError(message)
    return fields[name]


def _passes(values: list[object], operator: object, wanted: object) -> bool:
    if operator in ("IN", "NIN"):
        listed = {str(w) for w in wanted} if isinstance(wanted, list) else set()
        found = any(str(v) in listed for v in values)
        return found if operator == "IN" else not found
    if operator in ("=", "!="):
        equal = any(str(v).lower() == str(wanted).lower() for v in values)
        return equal if operator == "=" else not equal
    if operator in (">", ">=", "<", "<="):
        # documented: on dates ">" means "at or after"
        sign = 1 if str(operator).startswith(">") else -1
        limit = float(str(wanted))
        return any(sign * float(str(v)) >= sign * limit for v in values if v is not None)
    message = f"operator not simulated: {operator}"
    raise BadQueryError(message)
