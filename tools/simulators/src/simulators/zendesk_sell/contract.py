"""How Zendesk Sell's description is read; it is derived from the vendor's own SDK."""

import re

from simulators.contract_facts import Contract, Description, Nullable

CONTRACT = Contract(
    descriptions=(Description("openapi.derived.json"),),
    error={"$ref": "openapi.derived.json#/components/schemas/Errors"},
    undescribed=re.compile(r"^/oauth2/(authorize|revoke)$"),
    nullable=Nullable(
        re.compile(r"(?!id$)\w+"), "which fields may be null is not said; every one but ids is"
    ),
)
