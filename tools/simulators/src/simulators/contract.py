"""Checks traffic against the vendors' own API descriptions, kept in `vendor_data`.

The simulators check what they are asked and what they answer; adapter tests can check what they
send: `VendorContract("hubspot").check(exchange)` lists what is wrong, empty when all is well.
"""

import functools
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from simulators.contract_exceptions import NULLABLE, UNDECLARED, is_exempt
from simulators.contract_schema import Schema, as_json_schema, document

OK_BELOW = 400


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer; leave `status` 0 to check a request alone.

    `path` is below the vendor's root here, e.g. `/acme/api/v1/notes` for Pipedrive.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    request_type: str
    request_body: bytes
    status: int = 0
    response_type: str = ""
    response_body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Description:
    file: str
    below: str  # regular expression of what stands before the description's own paths


_DESCRIPTIONS: dict[str, tuple[_Description, ...]] = {
    "intercom": (
        _Description("openapi-2.14.trimmed.json", r"/(us|eu|au)"),
        _Description("webhooks-canvas-oauth.derived.json", r"/(us|eu|au)"),
    ),
    "hubspot": (_Description("openapi.derived.json", ""),),
    "pipedrive": (
        _Description("openapi.v1.json", r"(/[\w-]+/api/v1)?"),
        _Description("openapi.v2.json", r"/[\w-]+/api/v2"),
    ),
}

_ERRORS: dict[str, Schema] = {
    "intercom": {"$ref": "openapi-2.14.trimmed.json#/components/schemas/error"},
    "hubspot": {"$ref": "openapi.derived.json#/components/schemas/Error"},
    "pipedrive": {
        "type": "object",
        "required": ["success", "error"],
        "properties": {"success": {"const": False}, "error": {"type": "string"}},
        "additionalProperties": True,
    },
}
"""The shape of an error where the operation declares none of that status."""

_UNDESCRIBED = re.compile(
    r"^/oauth/(authorize|revoke)$|^/(us|eu|au)/app/|^/(us|eu|au)/auth/uninstall$"
)
"""Pages for people, and calls whose answers no description has."""


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    path: re.Pattern[str]
    parameters: list[Schema]
    body: Schema | None
    responses: Schema
    file: str
    literal: int  # how much of the path is fixed text: the most literal match wins


class VendorContract:
    """One vendor's descriptions, loaded once per process."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self._loaded = _load(vendor)
        self._validators: dict[tuple[str, int, bool], Any] = {}

    def check(self, exchange: Exchange) -> list[str]:
        """What breaks the description, one sentence each."""
        if _UNDESCRIBED.search(exchange.path):
            return []
        operation = self._find(exchange)
        if operation is None:
            refused = exchange.status >= OK_BELOW
            return [] if refused else [f"no such operation: {exchange.method} {exchange.path}"]
        findings = self._request(operation, exchange) if _was_understood(exchange) else []
        if exchange.status:
            findings += self._response(operation, exchange)
        return [f for f in findings if not is_exempt(self.vendor, f)]

    def check_webhook(self, topic: str, body: bytes) -> list[str]:
        """What breaks the description of a notification of that topic."""
        webhook = self._loaded.webhooks.get(topic)
        if webhook is None:
            return [f"no such topic: {topic}"]
        schema = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]
        file = "webhooks-canvas-oauth.derived.json"
        findings = self._errors(schema, json.loads(body), file, "webhook body")
        return [f for f in findings if not is_exempt(self.vendor, f)]

    def _find(self, exchange: Exchange) -> _Operation | None:
        path = exchange.path
        if path == "/oauth/token" and b"grant_type=refresh_token" in exchange.request_body:
            path += "/"  # the description's trick to tell two operations of one path apart
        fitting = [
            o
            for o in self._loaded.operations
            if o.method == exchange.method and o.path.fullmatch(path)
        ]
        return max(fitting, key=lambda o: o.literal, default=None)

    def _request(self, operation: _Operation, exchange: Exchange) -> list[str]:
        findings = self._query(operation, exchange)
        if operation.body is None:
            return findings + (["request body: none is declared"] if exchange.request_body else [])
        media = exchange.request_type.partition(";")[0].strip()
        declared = operation.body.get("content", {})
        if media not in declared:
            return [
                *findings,
                f"request body: {media or 'no type'} is not one of {sorted(declared)}",
            ]
        if media == "application/x-www-form-urlencoded":
            value: Any = dict(parse_qsl(exchange.request_body.decode(), keep_blank_values=True))
        else:
            value = json.loads(exchange.request_body or b"null")
        return findings + self._errors(
            declared[media]["schema"], value, operation.file, "request body"
        )

    def _query(self, operation: _Operation, exchange: Exchange) -> list[str]:
        declared = {p["name"]: p for p in operation.parameters if p["in"] == "query"}
        findings = [
            f"query: {name} is not declared" for name, _ in exchange.query if name not in declared
        ]
        given = dict(exchange.query)
        for name, parameter in declared.items():
            if name not in given:
                if parameter.get("required"):
                    findings.append(f"query: {name} is required")
                continue
            schema = parameter.get("schema", {})
            value = _as_typed(given[name], schema.get("type"))
            findings += self._errors(schema, value, operation.file, f"query {name}")
        return findings

    def _response(self, operation: _Operation, exchange: Exchange) -> list[str]:
        declared = operation.responses.get(str(exchange.status))
        if declared is None:
            if exchange.status < OK_BELOW:
                return [f"response: {exchange.status} is not declared"]
            schema, file = _ERRORS[self.vendor], operation.file
        else:
            content = declared.get("content", {})
            if not content:
                return ["response body: none is declared"] if exchange.response_body else []
            schema, file = content.get("application/json", {}).get("schema"), operation.file
        if not exchange.response_type.startswith("application/json"):
            return [f"response: {exchange.response_type or 'no type'} instead of JSON"]
        if schema is None:
            return []
        return self._errors(schema, json.loads(exchange.response_body), file, "response body")

    def _errors(self, schema: Schema, value: object, file: str, what: str) -> list[str]:
        findings = []
        is_answer = what.startswith(("response", "webhook"))
        for error in self._validator(schema, file, is_answer=is_answer).iter_errors(value):
            for leaf in _leaves(error):
                at = "/".join(str(p) for p in leaf.absolute_path)
                findings.append(f"{what}: {'/' + at if at else ''}: {leaf.message[:200]}")
        return list(dict.fromkeys(findings))

    def _validator(self, schema: Schema, file: str, *, is_answer: bool) -> Any:
        """Made once for each schema; the schemas live as long as the loaded descriptions."""
        key = (file, id(schema), is_answer)
        if key not in self._validators:
            known = NULLABLE.get(self.vendor) if is_answer else None
            converted = as_json_schema(schema, nullable=known.names if known else None)
            self._validators[key] = Draft202012Validator(
                _absolute(converted, file),
                registry=self._loaded.registry,
                format_checker=_FORMATS,
            )
        return self._validators[key]


_FORMATS = Draft202012Validator.FORMAT_CHECKER


@dataclass(frozen=True, slots=True)
class _Loaded:
    operations: list[_Operation]
    webhooks: Schema
    registry: Any


@functools.cache
def _load(vendor: str) -> _Loaded:
    folder = resources.files("simulators") / "vendor_data" / vendor
    nullable = NULLABLE.get(vendor)
    operations: list[_Operation] = []
    webhooks: Schema = {}
    registry: Any = Registry()
    for description in _DESCRIPTIONS[vendor]:
        text = (folder / description.file).read_text(encoding="utf-8")
        openapi = json.loads(text)
        for extra in UNDECLARED:
            schema = openapi.get("components", {}).get("schemas", {}).get(extra.schema)
            if extra.vendor == vendor and schema is not None:
                schema["properties"][extra.field] = extra.is_a
        contents = document(openapi, nullable.names if nullable else None)
        contents = _absolute(contents, description.file)
        resource = DRAFT202012.create_resource(contents)
        registry = registry.with_resource(_uri(description.file), resource)
        webhooks |= openapi.get("webhooks", {})
        for path, item in openapi.get("paths", {}).items():
            for method, operation in item.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    operations.append(_operation(description, path, method, operation, openapi))
    return _Loaded(operations, webhooks, registry)


def _operation(
    description: _Description, path: str, method: str, operation: Schema, openapi: Schema
) -> _Operation:
    pattern = re.sub(r"\\\{\w+\\\}", r"[^/]+", re.escape(path))
    return _Operation(
        method=method.upper(),
        path=re.compile(description.below + pattern),
        parameters=[_resolved(p, openapi) for p in operation.get("parameters", [])],
        body=operation.get("requestBody"),
        responses=operation["responses"],
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


def _absolute(node: Any, file: str) -> Any:
    """Every `$ref` as an address in the registry, wherever the schema is used from."""
    if isinstance(node, list):
        return [_absolute(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _absolute(value, file) for key, value in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("urn:"):
        target, _, pointer = reference.partition("#")
        out["$ref"] = f"{_uri(target or file)}#{pointer}"
    return out


def _leaves(error: Any) -> list[Any]:
    """The part of an anyOf/oneOf that was most likely meant, instead of "not valid under any"."""
    if not error.context:
        return [error]
    deepest = best_match([error])
    return [deepest if deepest is not None else error]


def _was_understood(exchange: Exchange) -> bool:
    """A request that the vendor refused as wrong need not fit the description."""
    return exchange.status not in (400, 401, 403, 404, 405, 415)


def _as_typed(text: str, kind: str | None) -> object:
    """A query value as the type that the description wants, where it reads as one."""
    if kind in ("integer", "number"):
        try:
            return int(text)
        except ValueError:
            return text
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "array":
        return text.split(",")
    return text
