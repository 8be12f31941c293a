"""How HubSpot's description is read."""

from simulators.contract_facts import Contract, Description

CONTRACT = Contract(
    descriptions=(Description("openapi.derived.json"),),
    error={"$ref": "openapi.derived.json#/components/schemas/Error"},
)
