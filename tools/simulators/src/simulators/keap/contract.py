"""How Keap's descriptions are read."""

import re

from simulators.contract_facts import Contract, Description, Exemption, Nullable

CONTRACT = Contract(
    descriptions=(
        Description("openapi.v2.json", below="/crm"),
        Description("openapi.oauth.derived.json"),
    ),
    # The application's own, or the gateway's; the code of the first may be a text.
    error={
        "type": "object",
        "anyOf": [{"required": ["code", "message", "status"]}, {"required": ["fault"]}],
        "additionalProperties": True,
    },
    undescribed=re.compile(r"^/app/oauth/authorize$"),
    nullable=Nullable(re.compile(r"\w+"), "unset fields come as null; none is marked as nullable"),
    exemptions=(
        Exemption(
            re.compile(r"^response body: : Unevaluated .*\('fault' was unexpected\)"),
            "the gateway in front of the API refuses with a body of its own",
        ),
    ),
)
