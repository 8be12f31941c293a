"""How the description of Dataverse is read; it is derived from Microsoft's documentation."""

import re

from simulators.contract_facts import Contract, Description

CONTRACT = Contract(
    # Below an environment, the discovery service, or the sign-in.
    descriptions=(Description("openapi.derived.json", r"/[\w-]+"),),
    error={"$ref": "openapi.derived.json#/components/schemas/Error"},
    undescribed=re.compile(r"^/login/\w+/oauth2/v2.0/authorize$"),
)
