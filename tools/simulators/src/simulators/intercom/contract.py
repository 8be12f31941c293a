"""How Intercom's descriptions are read, and where they differ from what Intercom sends."""

import re

from simulators.contract_facts import Contract, Description, Exemption, Nullable, Undeclared

CONTRACT = Contract(
    descriptions=(
        Description("openapi-2.14.trimmed.json", r"(/(us|eu|au))?"),
        Description("webhooks-canvas-oauth.derived.json", r"(/(us|eu|au))?"),
    ),
    error={"$ref": "openapi-2.14.trimmed.json#/components/schemas/error"},
    undescribed=re.compile(r"^/(us|eu|au)/app/|^/(us|eu|au)/auth/uninstall$"),
    nullable=Nullable(
        re.compile(
            "body|email|email_domain|width|height|assigned_to|conversation_rating|event_details"
            "|first_contact_reply|sla_applied|statistics|email_message_metadata|ai_agent|next"
        ),
        "null when there is none: a part without text, a lead without an address, a file that is "
        "no picture, the last page",
    ),
    undeclared=(
        Undeclared("conversation", "topics", {"type": "object"}, "webhooks carry topics of a talk"),
        Undeclared(
            "conversation_teammates",
            "admins",
            {"type": "array", "items": {"$ref": "#/components/schemas/reference"}},
            "webhooks list teammates under `admins`, the REST API under `teammates`",
        ),
    ),
    exemptions=(
        Exemption(
            re.compile(r"^webhook body: (/data)?: Unevaluated"),
            "the description joins two open halves of an envelope, of which each knows half the "
            "fields",
        ),
    ),
)
