"""How Salesloft's description is read."""

import re

from simulators.contract_facts import Contract, Description, Nullable

CONTRACT = Contract(
    descriptions=(Description("openapi.derived.json"),),
    error={"$ref": "openapi.derived.json#/components/schemas/ErrorSingular"},
    nullable=Nullable(
        re.compile(r"(?!id$)\w+"), "which fields may be null is not said; every one but ids is"
    ),
)
