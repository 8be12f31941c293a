"""Intercom's JSON, version 2.14: what the REST API answers and what webhooks carry."""

import secrets
from collections.abc import Callable
from typing import Any

from simulators.http import Json
from simulators.intercom.plaintext import as_plaintext
from simulators.intercom.store import (
    Admin,
    Author,
    Contact,
    Conversation,
    Part,
    Source,
    Team,
    Workspace,
)

NEWEST_PARTS = 500

Show = Callable[[str], str]


def error_list(code: str, message: str) -> Json:
    return {
        "type": "error.list",
        "request_id": _uuid(),
        "errors": [{"code": code, "message": message}],
    }


def me(workspace: Workspace, admin: Admin) -> Json:
    return {
        "type": "admin",
        "id": admin.id,
        "email": admin.email,
        "name": admin.name,
        "email_verified": True,
        "app": {
            "type": "app",
            "id_code": workspace.id,
            "name": workspace.name,
            "created_at": workspace.created_at,
            "identity_verification": False,
            "timezone": workspace.timezone,
            "region": workspace.region,
        },
        "avatar": {"type": "avatar", "image_url": None},
        "has_inbox_seat": True,
    }


def admin_json(workspace: Workspace, admin: Admin) -> Json:
    return {
        "type": "admin",
        "id": admin.id,
        "name": admin.name,
        "email": admin.email,
        "job_title": "",
        "away_mode_enabled": False,
        "away_mode_reassign": False,
        "has_inbox_seat": True,
        "team_ids": [
            int(t.id)
            for t in workspace.teams.values()
            if admin.id in t.admin_ids and t.id.isdigit()
        ],
    }


def team_json(team: Team) -> Json:
    return {
        "type": "team",
        "id": team.id,
        "name": team.name,
        "admin_ids": [int(a) for a in team.admin_ids if a.isdigit()],
    }


def contact_json(workspace: Workspace, contact: Contact) -> Json:
    return {
        "type": "contact",
        "id": contact.id,
        "workspace_id": workspace.id,
        "external_id": contact.external_id,
        "role": contact.role,
        "email": contact.email,
        "phone": contact.phone,
        "name": contact.name,
        "owner_id": None,
        "has_hard_bounced": False,
        "marked_email_as_spam": False,
        "unsubscribed_from_emails": False,
        "created_at": contact.created_at,
        "updated_at": contact.created_at,
        "signed_up_at": None,
        "last_seen_at": None,
        "custom_attributes": {},
    }


def full(workspace: Workspace, conversation: Conversation, *, plaintext: bool) -> Json:
    """The conversation with its newest parts, as `GET /conversations/{id}` answers it."""
    show = as_plaintext if plaintext else _unchanged
    parts = conversation.parts
    return {
        **list_item(workspace, conversation, show),
        "conversation_parts": _part_list(
            [part_json(p, show) for p in parts[-NEWEST_PARTS:]], len(parts)
        ),
    }


def notified(workspace: Workspace, conversation: Conversation, part: Part | None) -> Json:
    """As a webhook carries it: only the part that fired it, teammates under `admins`."""
    parts = [] if part is None else [part_json(part, _unchanged)]
    return {
        **list_item(workspace, conversation, _unchanged),
        "teammates": {
            "type": "admin.list",
            "admins": [{"type": "admin", "id": a} for a in conversation.teammates()],
        },
        "conversation_parts": _part_list(parts, len(parts)),
    }


def list_item(workspace: Workspace, conversation: Conversation, show: Show) -> Json:
    return {
        "type": "conversation",
        "id": conversation.id,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "waiting_since": None,
        "snoozed_until": None,
        "title": None,
        "open": conversation.state == "open",
        "state": conversation.state,
        "read": False,
        "priority": "not_priority",
        "admin_assignee_id": _number(conversation.admin_assignee_id),
        "team_assignee_id": _number(conversation.team_assignee_id),
        "source": _source(conversation.source, show),
        "contacts": {
            "type": "contact.list",
            "contacts": [_contact_reference(workspace, c) for c in conversation.contact_ids],
        },
        "teammates": {
            "type": "admin.list",
            "teammates": [{"type": "admin", "id": a} for a in conversation.teammates()],
        },
        "custom_attributes": {},
        "tags": {"type": "tag.list", "tags": []},
        "first_contact_reply": None,
        "sla_applied": None,
        "statistics": None,
        "conversation_rating": None,
        "linked_objects": {"type": "list", "data": [], "total_count": 0, "has_more": False},
        "ai_agent_participated": any(p.author.from_ai_agent for p in conversation.parts),
        "ai_agent": None,
    }


def page(items: list[Json], total: int, number: int, per_page: int, after: str | None) -> Json:
    following = None if after is None else {"per_page": per_page, "starting_after": after}
    return {
        "type": "conversation.list",
        "conversations": items,
        "total_count": total,
        "pages": {
            "type": "pages",
            "page": number,
            "per_page": per_page,
            "total_pages": max(1, -(-total // per_page)),
            "next": following,
        },
    }


def part_json(part: Part, show: Show) -> Json:
    return {
        "type": "conversation_part",
        "id": part.id,
        "part_type": part.part_type,
        "body": None if part.body is None else show(part.body),
        "created_at": part.created_at,
        "updated_at": part.created_at,
        "notified_at": part.created_at,
        "assigned_to": part.assigned_to,
        "author": _author(part.author),
        "attachments": part.attachments,
        "external_id": None,
        "redacted": part.redacted,
        "metadata": {},
        "email_message_metadata": None,
        "state": part.state,
        "tags": [],
        "event_details": None,
        "app_package_code": None,
    }


def _source(source: Source, show: Show) -> Json:
    return {
        "type": source.type,
        "id": source.id,
        "delivered_as": source.delivered_as,
        "subject": show(source.subject),
        "body": show(source.body),
        "author": _author(source.author),
        "attachments": source.attachments,
        "url": None,
        "redacted": source.redacted,
    }


def _author(author: Author) -> Json:
    shown: Json = {
        "type": author.type,
        "id": author.id,
        "name": author.name,
        "email": author.email,
    }
    if author.from_ai_agent:
        shown |= {"from_ai_agent": True, "is_ai_answer": True}
    return shown


def _contact_reference(workspace: Workspace, contact_id: str) -> Json:
    contact = workspace.contacts.get(contact_id)
    return {
        "type": "contact",
        "id": contact_id,
        "external_id": contact.external_id if contact else None,
    }


def _part_list(parts: list[Json], total: int) -> Json:
    return {
        "type": "conversation_part.list",
        "conversation_parts": parts,
        "total_count": total,
    }


def _number(value: str | None) -> int | None:
    return None if value is None else int(value)


def _unchanged(text: str) -> str:
    return text


def _uuid() -> str:
    raw: Any = secrets.token_hex(16)
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8{raw[17:20]}-{raw[20:]}"
