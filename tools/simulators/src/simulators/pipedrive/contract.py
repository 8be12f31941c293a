"""How Pipedrive's descriptions are read, and where they differ from what Pipedrive sends."""

import re

from simulators.contract_facts import Contract, Description, Exemption, Nullable

CONTRACT = Contract(
    descriptions=(
        Description("openapi.v1.json", r"((/[\w-]+)?/api/v1)?"),
        Description("openapi.v2.json", r"(/[\w-]+)?/api/v2"),
    ),
    error={
        "type": "object",
        "required": ["success", "error"],
        "properties": {"success": {"const": False}, "error": {"type": "string"}},
        "additionalProperties": True,
    },
    undescribed=re.compile(r"^/oauth/(authorize|revoke)$"),
    nullable=Nullable(
        re.compile(r"\w+"), "unset fields come as null; hardly any is marked as nullable"
    ),
    exemptions=(
        Exemption(
            re.compile(
                r"^response body: : Unevaluated .*\('error_info' was unexpected\)",
            ),
            "a live 401 of users/me carries error_info, as all errors do; this one answer forgets "
            "it",
        ),
    ),
)
