"""A conversation as it stands in Intercom right now, in our words. Held in memory only (R11)."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from common.eligibility import ConversationFacts
from common.updates import Update


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that was said; internal notes and bare events are never among them."""

    part_id: int  # 0: the opening message
    sent_at: datetime
    author_kind: str  # Intercom's: user, lead, contact, admin, bot, ...
    author_name: str | None  # display name; never an address
    text: str  # plain text, "" where there was none
    attachments: tuple[str, ...]  # file names
    redacted: bool
    update: Update | None  # set where R9 counts it


@dataclass(frozen=True)
class Conversation:
    workspace_id: str
    id: str
    channel: str  # Intercom's source type: conversation, email, whatsapp, ...
    messages: tuple[Message, ...]  # oldest first, the opening message included
    omitted: int  # messages that Intercom no longer hands out (it keeps the newest 500 parts)
    assignee_id: str | None  # R8: admin_assignee_id, or the sender of an unassigned direct message
    team_assigned: bool
    contact_ids: tuple[str, ...]  # R4's person first
    read_at: datetime  # Intercom's own Date header of this answer

    @cached_property  # asked several times per attempt
    def newest_update(self) -> Update | None:
        return max((m.update for m in self.messages if m.update), default=None)

    def facts(self) -> ConversationFacts:
        newest = self.newest_update
        return ConversationFacts(
            last_updated_at=newest.updated_at if newest else None,
            last_message_at=max((m.sent_at for m in self.messages), default=self.read_at),
            assignee_id=self.assignee_id,
            team_assigned=self.team_assigned,
        )


@dataclass(frozen=True, slots=True)
class Contact:
    """The customer, as Intercom knows them: only what finds the person in the CRM."""

    id: str
    emails: tuple[str, ...]
    phones: tuple[str, ...]  # E.164
