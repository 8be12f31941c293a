"""Workspaces with their people and conversations, as Intercom stores them."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from simulators.http import Json
from simulators.oauth import TokenServer
from simulators.rate_limits import GridWindow

WINDOW_S = 10
CALLS_PER_WINDOW = 1666
"""10,000 calls a minute per app, handed out in windows of 10 seconds."""

OPENING_PART = "0"


@dataclass(slots=True)
class Admin:
    id: str
    name: str
    email: str


@dataclass(slots=True)
class Team:
    id: str
    name: str
    admin_ids: list[str]


@dataclass(slots=True)
class Contact:
    id: str
    role: str
    name: str | None
    email: str | None
    phone: str | None
    external_id: str | None
    created_at: int


@dataclass(slots=True)
class Author:
    type: str
    id: str
    name: str | None
    email: str | None
    from_ai_agent: bool = False


@dataclass(slots=True)
class Part:
    id: str
    part_type: str
    author: Author
    body: str | None
    created_at: int
    state: str
    attachments: list[Json] = field(default_factory=list)
    assigned_to: Json | None = None
    redacted: bool = False


@dataclass(slots=True)
class Source:
    id: str
    type: str
    delivered_as: str
    subject: str
    body: str
    author: Author
    attachments: list[Json]
    redacted: bool = False


@dataclass(slots=True)
class Conversation:
    id: str
    workspace: str
    source: Source
    contact_ids: list[str]
    created_at: int
    updated_at: int
    state: str
    admin_assignee_id: str | None
    team_assignee_id: str | None
    parts: list[Part] = field(default_factory=list)

    def teammates(self) -> list[str]:
        """Admins who took part, in order of appearance."""
        authors = [self.source.author, *(p.author for p in self.parts)]
        ids = [a.id for a in authors if a.type == "admin"]
        if self.admin_assignee_id is not None:
            ids.append(self.admin_assignee_id)
        return list(dict.fromkeys(ids))


@dataclass(slots=True)
class Workspace:
    id: str
    region: str
    name: str
    timezone: str
    created_at: int
    admins: dict[str, Admin] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    window: GridWindow = field(default_factory=lambda: GridWindow(CALLS_PER_WINDOW, WINDOW_S))

    def author(self, given: Json) -> Author:
        """The author as given, with name and address filled in from the workspace."""
        kind, author_id = str(given["type"]), str(given["id"])
        known: Any = None
        if kind == "admin":
            known = self.admins.get(author_id)
        elif kind == "team":
            known = self.teams.get(author_id)
        elif kind in ("user", "lead", "contact"):
            known = self.contacts.get(author_id)
        bot = kind in ("bot", "operator")
        return Author(
            type=kind,
            id=author_id,
            name=given.get("name") or getattr(known, "name", None) or ("Fin" if bot else None),
            email=given.get("email")
            or getattr(known, "email", None)
            or (f"operator+{self.id}@intercom.io" if bot else None),
            from_ai_agent=bool(given.get("from_ai_agent", False)),
        )


@dataclass(slots=True)
class IntercomStore:
    client_id: str
    client_secret: str
    tokens: TokenServer
    webhook_url: str | None = None
    canvas_initialize_url: str | None = None
    canvas_submit_url: str | None = None
    redirect_uri: str | None = None
    topics: list[str] | None = None
    subscription_active: bool = True
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    _conversation_id: int = 215_470_000_000_000
    _part_id: int = 9000
    _source_id: int = 3_000_000_000

    def new_conversation_id(self) -> str:
        self._conversation_id += 1
        return str(self._conversation_id)

    def part_id(self, wanted: str | None = None) -> str:
        """`wanted`, or one greater than all before: Intercom's ids rise within a second too."""
        self._part_id = max(self._part_id, int(wanted)) if wanted else self._part_id + 1
        return wanted or str(self._part_id)

    def new_source_id(self) -> str:
        self._source_id += 1
        return str(self._source_id)

    def new_contact_id(self) -> str:
        return secrets.token_hex(12)
