"""The vendors' API descriptions, loaded from `vendor_data`: operations, webhooks, schemas."""

import functools
import importlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

from referencing import Registry
from referencing.jsonschema import DRAFT202012

from simulators.contract_facts import Contract, Description
from simulators.contract_schema import Schema, document


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: re.Pattern[str]
    parameters: list[Schema]
    body: Schema | None
    responses: Schema
    file: str
    literal: int  # how much of the path is fixed text: the most literal match wins


@dataclass(frozen=True, slots=True)
class Loaded:
    operations: list[Operation]
    webhooks: Schema
    registry: Any


def contract_of(vendor: str) -> Contract:
    """What the vendor's own folder says."""
    contract: Contract = importlib.import_module(f"simulators.{vendor}.contract").CONTRACT
    return contract


@functools.cache
def load(vendor: str) -> Loaded:
    folder = resources.files("simulators") / "vendor_data" / vendor
    contract = contract_of(vendor)
    nullable = contract.nullable
    operations: list[Operation] = []
    webhooks: Schema = {}
    registry: Any = Registry()
    for description in contract.descriptions:
        text = (folder / description.file).read_text(encoding="utf-8")
        openapi = json.loads(text)
        for extra in contract.undeclared:
            schema = openapi.get("components", {}).get("schemas", {}).get(extra.schema)
            if schema is not None:
                schema["properties"][extra.field] = extra.is_a
        contents = document(openapi, nullable.names if nullable else None)
        contents = absolute(contents, description.file)
        resource = DRAFT202012.create_resource(contents)
        registry = registry.with_resource(_uri(description.file), resource)
        webhooks |= openapi.get("webhooks", {})
        for path, item in openapi.get("paths", {}).items():
            for method, operation in item.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    operations.append(_operation(description, path, method, operation, openapi))
    return Loaded(operations, webhooks, registry)


def _operation(
    description: Description, path: str, method: str, operation: Schema, openapi: Schema
) -> Operation:
    pattern = re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(path))
    return Operation(
        method=method.upper(),
        path=re.compile(description.below + pattern),
        parameters=[_resolved(p, openapi) for p in operation.get("parameters", [])],
        body=operation.get("requestBody"),
        responses={s: _resolved(r, openapi) for s, r in operation["responses"].items()},
        file=description.file,
        literal=len(re.sub(r"\{\w+\}", "", path)),
    )


def _resolved(node: Schema, openapi: Schema) -> Schema:
    if "$ref" not in node:
        return node
    found: Any = openapi
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    result: Schema = found
    return result


def _uri(file: str) -> str:
    return f"urn:vendor:{file}"


def absolute(node: Any, file: str) -> Any:
    """Every `$ref` as an address in the registry, wherever the schema is used from."""
    if isinstance(node, list):
        return [absolute(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: absolute(value, file) for key, value in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("urn:"):
        target, _, pointer = reference.partition("#")
        out["$ref"] = f"{_uri(target or file)}#{pointer}"
    return out
