"""The apps of ours, one per CRM product. Every part that names an app reads it here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class App:
    key: str  # in events, URLs and the database
    name: str  # what people read
    crm: str  # the adapter, consumer group and StatefulSet that serve it
    activity: bool = False  # R5: an Activity besides the Note


APPS: dict[str, App] = {
    app.key: app
    for app in (
        App("hubspot", "HubSpot", crm="hubspot"),
        App("pipedrive", "Pipedrive", crm="pipedrive", activity=True),
    )
}

CRMS: tuple[str, ...] = tuple(sorted({app.crm for app in APPS.values()}))


def apps_of(crm: str) -> tuple[App, ...]:
    return tuple(app for app in APPS.values() if app.crm == crm)
