"""Where the vendors' descriptions are known to differ from what the vendors send: the one table of it.

An exception names the vendor, what it is about (a regular expression over the whole finding, which reads
`response body: /conversation_parts/conversation_parts/0/body: None is not of type 'string'`), and the reason.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exemption:
    vendor: str
    finding: re.Pattern[str]
    reason: str


def _null(vendor: str, fields: str, reason: str) -> Exemption:
    where = rf"^(response|webhook) body: \S*/({fields}): None is not (of type|one of)"
    return Exemption(vendor, re.compile(where), reason)


EXEMPTIONS = (
    _null(
        "intercom",
        "assigned_to|conversation_rating|event_details|first_contact_reply|sla_applied|statistics"
        "|email_message_metadata|ai_agent|next",
        "null when there is none; the description has plain objects",
    ),
    _null("intercom", "email|email_domain", "a lead without an address has none"),
    _null("intercom", "width|height", "only pictures have a size"),
    _null("intercom", "body", "a part without text, or redacted"),
    Exemption(
        "intercom",
        re.compile(r"^response body: \S*/event_details: None is not valid under any"),
        "null when there is none",
    ),
    Exemption(
        "intercom",
        re.compile(
            r"^webhook body: /data/item/(teammates|topics)?: Unevaluated|^webhook body: /data/item: Unevaluated .*'topics'"
        ),
        "webhooks carry `topics`, and teammates under `admins`, unlike the REST answer",
    ),
    Exemption(
        "intercom",
        re.compile(r"^webhook body: /data: Unevaluated|^webhook body: : Unevaluated"),
        "the derived description joins open parts, so the whole of an envelope is not closed",
    ),
    Exemption(
        "hubspot",
        re.compile(r"^response body: : Unevaluated properties .*'errors', 'numErrors'"),
        "207 of the plain batch answer: parts of it are declared elsewhere",
    ),
    _null(
        "pipedrive",
        "\\w+",
        "unset fields come as null; the description marks hardly any as nullable",
    ),
    Exemption(
        "pipedrive",
        re.compile(r"^response body: /additional_data/next_cursor: None"),
        "null on the last page",
    ),
)


def is_exempt(vendor: str, finding: str) -> bool:
    return any(e.vendor == vendor and e.finding.search(finding) for e in EXEMPTIONS)
