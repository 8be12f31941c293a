"""How a settled conversation can end for an installed app: a closed list, a sentence for each."""

from enum import StrEnum


class Outcome(StrEnum):
    DELIVERED = "delivered"
    UPDATED = "updated"
    UP_TO_DATE = "up_to_date"
    ALREADY_THERE = "already_there"
    SUPERSEDED = "superseded"
    HANDED_OVER = "handed_over"
    LEFT_DELETED = "left_deleted"
    SYNC_OFF = "sync_off"
    NOT_INSTALLED_THEN = "not_installed_then"
    NO_ACTIVE_ASSIGNEE = "no_active_assignee"
    TEAM_ONLY = "team_only"
    ACTOR_NOT_APP_USER = "actor_not_app_user"
    NOBODY_SPOKE = "nobody_spoke"
    NO_PERSON = "no_person"
    SEVERAL_PERSONS = "several_persons"
    CONVERSATION_GONE = "conversation_gone"
    UNINSTALLED = "uninstalled"
    FAILED = "failed"


SENTENCES: dict[Outcome, str] = {
    Outcome.DELIVERED: "The transcript was written as a note.",
    Outcome.UPDATED: "The note was brought up to date.",
    Outcome.UP_TO_DATE: "Nothing was said since the last note, so nothing was written.",
    Outcome.ALREADY_THERE: "The note had been written before; it was found and kept.",
    Outcome.SUPERSEDED: "A later sync of the same conversation answered this one too.",
    Outcome.HANDED_OVER: "People edited the note, so it is theirs now and was left alone.",
    Outcome.LEFT_DELETED: "Somebody deleted the note in the CRM, so it was not made again.",
    Outcome.SYNC_OFF: "Transcript sync is switched off for this app.",
    Outcome.NOT_INSTALLED_THEN: "The last reply is older than the installation of the app.",
    Outcome.NO_ACTIVE_ASSIGNEE: "No active app user is assigned to the conversation.",
    Outcome.TEAM_ONLY: "The conversation is assigned to a team, but to no teammate.",
    Outcome.ACTOR_NOT_APP_USER: "The teammate who acted is not an active user of this app.",
    Outcome.NOBODY_SPOKE: "No person has written in the conversation, only bots or campaigns.",
    Outcome.NO_PERSON: "No person in the CRM matches the customer.",
    Outcome.SEVERAL_PERSONS: "Several persons in the CRM match the customer; none was chosen.",
    Outcome.CONVERSATION_GONE: "The conversation no longer exists in Intercom.",
    Outcome.UNINSTALLED: "The app was uninstalled before the conversation could be synced.",
    Outcome.FAILED: "The CRM or Intercom refused for good; it can be tried again by hand.",
}
