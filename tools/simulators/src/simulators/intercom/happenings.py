"""What can happen to a conversation, and the webhook topics that Intercom derives from it."""

from dataclasses import dataclass

from simulators.http import Json
from simulators.intercom.store import (
    OPENING_PART,
    Author,
    Conversation,
    IntercomStore,
    Part,
    Source,
    Workspace,
)

CUSTOMERS = frozenset({"user", "lead", "contact"})
NOTES = frozenset({"note", "note_and_reopen", "note_and_unsnooze"})
ASSIGNMENTS = frozenset({"assignment", "assign_and_unsnooze", "default_assignment"})
STATE_AFTER = {
    "close": "closed",
    "open": "open",
    "note_and_reopen": "open",
    "snoozed": "snoozed",
    "unsnoozed": "open",
    "assign_and_unsnooze": "open",
    "note_and_unsnooze": "open",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """What Intercom would tell about. `part` is None for the opening message and for a deletion."""

    conversation: Conversation
    part: Part | None
    topics: list[str]


def start_conversation(
    store: IntercomStore, workspace: Workspace, given: Json, now: int
) -> Happening:
    """Add a conversation.

    Args:
        store: where ids come from.
        workspace: where it happens.
        given: NEW CONVERSATION of the README.
        now: Unix seconds, used where `given` has no `created_at`.

    """
    opening = given["opening"]
    author = workspace.author(opening["author"])
    created_at = int(given.get("created_at") or now)
    conversation = Conversation(
        id=str(given.get("id") or store.new_conversation_id()),
        workspace=workspace.id,
        source=Source(
            id=store.new_source_id(),
            type=opening.get("type") or "conversation",
            delivered_as=opening.get("delivered_as") or _delivered_as(author),
            subject=opening.get("subject") or "",
            body=opening.get("body") or "",
            author=author,
            attachments=_attachments(opening),
        ),
        contact_ids=[str(c) for c in given["contacts"]],
        created_at=created_at,
        updated_at=created_at,
        state=given.get("state") or "open",
        admin_assignee_id=_id(given.get("admin_assignee_id")),
        team_assignee_id=_id(given.get("team_assignee_id")),
    )
    workspace.conversations[conversation.id] = conversation
    return Happening(conversation, None, _opening_topics(conversation.source))


def add_part(
    store: IntercomStore, workspace: Workspace, conversation: Conversation, given: Json, now: int
) -> Happening:
    """Add a part (NEW PART of the README) and apply what it does to assignee and state."""
    part_type = given.get("part_type") or "comment"
    author = workspace.author(given["author"])
    created_at = int(given.get("created_at") or now)
    assign = given.get("assign") or {}
    if "admin" in assign:
        conversation.admin_assignee_id = _id(assign["admin"])
    if "team" in assign:
        conversation.team_assignee_id = _id(assign["team"])
    conversation.state = (
        given.get("state") or STATE_AFTER.get(part_type) or _reopened(conversation, author)
    )
    part = Part(
        id=store.part_id(_id(given.get("id"))),
        part_type=part_type,
        author=author,
        body=given.get("body"),
        created_at=created_at,
        state=conversation.state,
        attachments=_attachments(given),
        assigned_to=_assigned_to(assign),
    )
    conversation.parts.append(part)
    conversation.updated_at = max(conversation.updated_at, created_at)
    return Happening(conversation, part, _part_topics(part))


def redact_part(conversation: Conversation, part_id: str, now: int) -> Happening | None:
    """Blank the text of a part or of the opening message; None when there is no such part."""
    conversation.updated_at = max(conversation.updated_at, now)
    if part_id == OPENING_PART:
        conversation.source.redacted, conversation.source.body = True, ""
        conversation.source.attachments = []
        return Happening(conversation, None, ["conversation_part.redacted"])
    for part in conversation.parts:
        if part.id == part_id:
            part.redacted, part.body, part.attachments = True, None, []
            return Happening(conversation, part, ["conversation_part.redacted"])
    return None


def delete_conversation(workspace: Workspace, conversation: Conversation) -> Happening:
    del workspace.conversations[conversation.id]
    return Happening(conversation, None, ["conversation.deleted"])


def _opening_topics(source: Source) -> list[str]:
    if source.delivered_as == "customer_initiated" and source.author.type in CUSTOMERS:
        return ["conversation.user.created"]
    if source.delivered_as == "admin_initiated" and source.author.type == "admin":
        return ["conversation.admin.single.created"]
    return []


def _part_topics(part: Part) -> list[str]:
    """One per thing that happened: assign-and-reply is two things, so is close-and-reply."""
    kind = part.part_type
    speaks = bool(part.body or part.attachments)
    topics = []
    if kind in NOTES:
        topics.append("conversation.admin.noted")
    elif part.author.type in CUSTOMERS:
        topics += ["conversation.user.replied"] if speaks else []
    elif part.author.type in ("bot", "operator") or part.author.from_ai_agent:
        topics += ["conversation.operator.replied"] if speaks else []
    elif part.author.type == "admin" and speaks:
        topics.append("conversation.admin.replied")
    if kind in ASSIGNMENTS:
        topics.append("conversation.admin.assigned")
    elif kind == "close":
        topics.append("conversation.admin.closed")
    elif kind in ("open", "note_and_reopen") and part.author.type == "admin":
        topics.append("conversation.admin.opened")
    elif kind == "snoozed":
        topics.append("conversation.admin.snoozed")
    elif kind in ("unsnoozed", "assign_and_unsnooze", "note_and_unsnooze"):
        topics.append("conversation.admin.unsnoozed")
    return topics


def _delivered_as(author: Author) -> str:
    if author.type in CUSTOMERS:
        return "customer_initiated"
    return "admin_initiated" if author.type == "admin" else "operator_initiated"


def _reopened(conversation: Conversation, author: Author) -> str:
    """A customer's word opens a closed conversation again."""
    return "open" if author.type in CUSTOMERS else conversation.state


def _assigned_to(assign: Json) -> Json | None:
    for kind in ("admin", "team"):
        if assign.get(kind) is not None:
            return {"type": kind, "id": str(assign[kind])}
    return {"type": "nobody", "id": None} if assign else None


def _attachments(given: Json) -> list[Json]:
    return [
        {
            "type": "upload",
            "name": a["name"],
            "url": a["url"],
            "content_type": a.get("content_type") or "application/octet-stream",
            "filesize": a.get("filesize") or 1,
            "width": None,
            "height": None,
        }
        for a in given.get("attachments") or []
    ]


def _id(value: object) -> str | None:
    return None if value is None else str(value)
