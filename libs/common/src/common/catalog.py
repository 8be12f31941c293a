"""The apps of ours, one per CRM product, and what is known of each before anything is connected.

Every part that names an app reads it here: settings, delivery, the demo, the documentation. A CRM
is in it once its adapter, simulator and settings' vendor file are there; tests hold them together.
"""

from dataclasses import dataclass
from enum import StrEnum


class ActionKind(StrEnum):
    """What people can make in a CRM from our inbox app (R1)."""

    PERSON = "person"
    LEAD = "lead"
    DEAL = "deal"
    TASK = "task"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    key: str  # in events, URLs and the database
    name: str  # what people read
    crm: str  # the adapter, consumer group and StatefulSet that serve it
    continuous: bool = True  # R2
    activity: bool = False  # R5: an Activity besides the Note
    leads: bool = False  # R4: a lead where no contact matches
    person_word: str = "contact"  # what people of this CRM call a person, and a deal
    deal_word: str = "deal"
    actions: frozenset[ActionKind]
    # What the customer is asked to allow; empty where it is set in the vendor's developer console.
    scopes: tuple[str, ...] = ()
    pkce: bool  # the vendor documents PKCE (RFC 7636)
    limits: tuple[str, ...]  # sentences: what people who use it may run into


_ALL = frozenset(ActionKind)
_DYNAMICS_LIMITS = (
    "A note holds 95,000 characters, markup counted.",
    "6,000 requests in 5 minutes for the user who connected it, whichever of our apps asks.",
    "Three apps on one environment write one note per conversation together.",
)

APPS: dict[str, App] = {
    app.key: app
    for app in (
        App(
            key="hubspot",
            name="HubSpot",
            crm="hubspot",
            actions=_ALL - {ActionKind.LEAD},
            scopes=(
                "oauth",
                "crm.objects.contacts.read",
                "crm.objects.contacts.write",
                "crm.objects.deals.read",
                "crm.objects.deals.write",
                "crm.objects.owners.read",
            ),
            pkce=True,
            limits=(
                "A note holds 65,536 characters, markup counted.",
                "110 requests in 10 seconds for each HubSpot account, 5 searches in a second.",
                "An app that is not listed in HubSpot's marketplace can be installed 25 times.",
            ),
        ),
        App(
            key="pipedrive",
            name="Pipedrive",
            crm="pipedrive",
            activity=True,
            person_word="person",
            actions=_ALL,
            pkce=False,
            limits=(
                "A note and an activity hold about 90,000 bytes each, markup counted.",
                "30,000 tokens a day times plan and seats for all apps; a conversation takes 65.",
                "80 to 480 requests in 2 seconds by plan, 10 searches in 2 seconds.",
            ),
        ),
        App(
            key="keap",
            name="Keap",
            crm="keap",
            deal_word="opportunity",
            actions=_ALL - {ActionKind.LEAD},
            scopes=("full",),
            pkce=False,
            limits=(
                "A note holds about 60,000 bytes of plain text.",
                "1,500 requests a minute and 150,000 a day of our client, all customers together.",
                "10,000 requests a minute and 250,000 a day for all apps of a Keap account.",
            ),
        ),
        App(
            key="salesloft",
            name="Salesloft",
            crm="salesloft",
            person_word="person",
            actions=frozenset({ActionKind.PERSON, ActionKind.TASK, ActionKind.NOTE}),
            pkce=False,
            limits=(
                "A note holds 20,000 characters of plain text.",
                "600 points a minute for all apps of a team; a request mostly costs one.",
                "Our notes are not carried over to the CRM that Salesloft is connected to.",
            ),
        ),
        App(
            key="zendesk-sell",
            name="Zendesk Sell",
            crm="zendesk_sell",
            leads=True,
            actions=_ALL,
            scopes=("read", "write", "profile"),
            pkce=False,
            limits=(
                "Zendesk ends the product on 2027-08-31.",
                "A note holds 20,000 characters of plain text.",
                "10 requests a second and 36,000 an hour for the user who connected it.",
            ),
        ),
        App(
            key="dynamics365",
            name="MS Dynamics",
            crm="dynamics365",
            deal_word="opportunity",
            actions=_ALL - {ActionKind.LEAD},
            pkce=True,
            limits=_DYNAMICS_LIMITS,
        ),
        App(
            key="dynamics365-sales",
            name="MS Dynamics Sales",
            crm="dynamics365",
            leads=True,
            deal_word="opportunity",
            actions=_ALL,
            pkce=True,
            limits=_DYNAMICS_LIMITS,
        ),
        App(
            key="dynamics365-cases",
            name="MS Dynamics Cases",
            crm="dynamics365",
            deal_word="opportunity",
            actions=_ALL - {ActionKind.LEAD, ActionKind.DEAL},
            pkce=True,
            limits=_DYNAMICS_LIMITS,
        ),
    )
}

CRMS: tuple[str, ...] = tuple(sorted({app.crm for app in APPS.values()}))


def apps_of(crm: str) -> tuple[App, ...]:
    return tuple(app for app in APPS.values() if app.crm == crm)
