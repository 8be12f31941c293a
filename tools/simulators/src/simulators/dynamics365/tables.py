"""The tables as the Web API shows them: each row's columns, and the types that `$select` knows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from simulators.clock import iso_seconds
from simulators.crm import Activity, Deal, Note, Person, Record
from simulators.dynamics365.store import Case, DynamicsAccount, kind_of, names_of, new_row
from simulators.http import Json

LOOKUP: Final = "@Microsoft.Dynamics.CRM.lookuplogicalname"


@dataclass(frozen=True, slots=True)
class Table:
    logical: str
    key: str
    columns: Callable[[DynamicsAccount, Any], Json]
    sample: Record  # an empty one: a table without rows has its columns all the same


def _contact(account: DynamicsAccount, person: Person) -> Json:
    merged = person.merged_into is not None
    return {
        "contactid": person.id,
        **_name_and_addresses(person),
        "jobtitle": person.extra.get("jobtitle"),
        "websiteurl": None,
        "description": person.extra.get("description"),
        "externaluseridentifier": person.extra.get("externaluseridentifier"),
        "statecode": 1 if merged else 0,
        "statuscode": 2 if merged else 1,
        "merged": merged,
        "_masterid_value": person.merged_into,
        "_ownerid_value": account.first_user(),
        "_parentcustomerid_value": None,
        **_times(person),
    }


def _lead(account: DynamicsAccount, person: Person) -> Json:
    contact = person.extra.get("qualified_as")
    merged = person.merged_into is not None
    state = 1 if contact else 2 if merged else 0
    return {
        "leadid": person.id,
        **_name_and_addresses(person),
        "subject": person.extra.get("subject"),
        "companyname": person.extra.get("companyname"),
        "jobtitle": person.extra.get("jobtitle"),
        "statecode": state,
        "statuscode": {0: 1, 1: 3, 2: 4}[state],
        "merged": merged,
        "_masterid_value": person.merged_into,
        "_parentcontactid_value": contact,
        "_contactid_value": None,
        "_qualifyingopportunityid_value": None,
        "_ownerid_value": account.first_user(),
        **_times(person),
    }


def _name_and_addresses(person: Person) -> Json:
    first, last = names_of(person)
    emails = [*person.emails[:3], None, None, None]
    return {
        "firstname": first,
        "lastname": last,
        "fullname": person.name or None,
        "emailaddress1": emails[0],
        "emailaddress2": emails[1],
        "emailaddress3": emails[2],
        "telephone1": person.phone,
        "mobilephone": person.extra.get("mobilephone"),
    }


def _incident(account: DynamicsAccount, case: Case) -> Json:
    contact = case.person_ids[0] if case.person_ids else None
    customer = case.customer_id or contact
    return {
        "incidentid": case.id,
        "ticketnumber": f"CAS-{int(case.created_at) % 100_000:05d}-X1",
        "title": case.title,
        "description": case.extra.get("description"),
        "statecode": case.extra.get("statecode", 0),
        "statuscode": 1,
        "_customerid_value": customer,
        f"_customerid_value{LOOKUP}": case.customer_kind if customer else None,
        "_primarycontactid_value": contact,
        "_masterid_value": None,
        **_times(case),
    }


def _annotation(account: DynamicsAccount, note: Note) -> Json:
    person = account.persons.get(note.person_ids[0]) if note.person_ids else None
    on_lead = person is not None and kind_of(person) == "leads"
    return {
        "annotationid": note.id,
        "subject": note.extra.get("subject"),
        "notetext": note.body,
        "isdocument": False,
        "filename": None,
        "mimetype": None,
        "langid": None,
        "importsequencenumber": None,
        "overriddencreatedon": None,
        "stepid": None,
        "objecttypecode": "lead" if on_lead else "contact",
        "_objectid_value": person.id if person else None,
        "_ownerid_value": note.extra.get("owner") or note.user_id,
        "_createdby_value": note.user_id,
        **_times(note),
    }


def _opportunity(account: DynamicsAccount, deal: Deal) -> Json:
    return {
        "opportunityid": deal.id,
        "name": deal.title,
        "description": deal.extra.get("description"),
        "_parentcontactid_value": deal.person_ids[0] if deal.person_ids else None,
        "_ownerid_value": deal.extra.get("owner") or account.first_user(),
        **_times(deal),
    }


def _task(account: DynamicsAccount, task: Activity) -> Json:
    return {
        "activityid": task.id,
        "subject": task.subject,
        "description": task.body,
        "scheduledend": task.due_date,
        "_regardingobjectid_value": task.person_ids[0] if task.person_ids else None,
        "_ownerid_value": task.user_id,
        **_times(task),
    }


def _times(record: Record) -> Json:
    return {
        "createdon": iso_seconds(record.created_at),
        "modifiedon": iso_seconds(record.updated_at),
    }


_BLANK: Final[dict[str, Any]] = new_row(0, "")
_SOMEBODY: Final = Person(**_BLANK, name="", emails=[])
_NOTE: Final = Note(**_BLANK, person_ids=[], body="", body_sent=None, user_id="", said_at=0)
_TASK: Final = Activity(
    **_BLANK,
    person_ids=[],
    subject="",
    type="task",
    done=False,
    due_date=None,
    due_time=None,
    body="",
    body_sent=None,
    user_id="",
)

TABLES: Final = {
    "contacts": Table("contact", "contactid", _contact, _SOMEBODY),
    "leads": Table("lead", "leadid", _lead, _SOMEBODY),
    "incidents": Table(
        "incident", "incidentid", _incident, Case(**_BLANK, person_ids=[], title="")
    ),
    "annotations": Table("annotation", "annotationid", _annotation, _NOTE),
    "opportunities": Table(
        "opportunity", "opportunityid", _opportunity, Deal(**_BLANK, person_ids=[], title="")
    ),
    "tasks": Table("task", "activityid", _task, _TASK),
}


def etag(record: Record) -> str:
    return f'W/"{int(record.created_at)}{record.revision:06d}"'
