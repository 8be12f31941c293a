"""Checks traffic against the vendors' own API descriptions, kept in `vendor_data`.

The simulators check what they are asked and what they answer; adapter tests can check what they
send: `VendorContract("hubspot").check(Exchange.of(request))` lists what is wrong.
"""

import json
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

import httpx
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]

from simulators.contract_descriptions import Operation, absolute, contract_of, load
from simulators.contract_schema import Schema, as_json_schema

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

    @classmethod
    def of(
        cls, request: httpx.Request, response: httpx.Response | None = None, root: str = ""
    ) -> Self:
        """What an httpx client sent, and got; `root` is cut from the start of its path.

        A request to the vendor's real host needs no root.
        """
        return cls(
            method=request.method,
            path=request.url.path.removeprefix(root),
            query=request.url.params.multi_items(),
            request_type=request.headers.get("content-type", ""),
            request_body=request.read(),
            status=response.status_code if response else 0,
            response_type=response.headers.get("content-type", "") if response else "",
            response_body=response.read() if response else b"",
        )


class VendorContract:
    """One vendor's descriptions, loaded once per process."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self._facts = contract_of(vendor)
        self._loaded = load(vendor)
        self._validators: dict[tuple[str, int, bool], Any] = {}

    def check(self, exchange: Exchange) -> list[str]:
        """What breaks the description, one sentence each."""
        if self._facts.undescribed.search(exchange.path):
            return []
        operation = self._find(exchange)
        if operation is None:
            refused = exchange.status >= OK_BELOW
            return [] if refused else [f"no such operation: {exchange.method} {exchange.path}"]
        findings = self._request(operation, exchange) if _was_understood(exchange) else []
        if exchange.status:
            findings += self._response(operation, exchange)
        return [f for f in findings if not self._facts.is_exempt(f)]

    def check_webhook(self, topic: str, body: bytes) -> list[str]:
        """What breaks the description of a notification of that topic."""
        webhook = self._loaded.webhooks.get(topic)
        if webhook is None:
            return [f"no such topic: {topic}"]
        schema = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]
        file = "webhooks-canvas-oauth.derived.json"
        findings = self._errors(schema, json.loads(body), file, "webhook body")
        return [f for f in findings if not self._facts.is_exempt(f)]

    def _find(self, exchange: Exchange) -> Operation | None:
        path = exchange.path
        if path == "/oauth/token" and b"grant_type=refresh_token" in exchange.request_body:
            path += "/"  # the description's trick to tell two operations of one path apart
        fitting = [
            o
            for o in self._loaded.operations
            if o.method == exchange.method and o.path.fullmatch(path)
        ]
        return max(fitting, key=lambda o: o.literal, default=None)

    def _request(self, operation: Operation, exchange: Exchange) -> list[str]:
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

    def _query(self, operation: Operation, exchange: Exchange) -> list[str]:
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

    def _response(self, operation: Operation, exchange: Exchange) -> list[str]:
        declared = operation.responses.get(str(exchange.status))
        if declared is None:
            if exchange.status < OK_BELOW:
                return [f"response: {exchange.status} is not declared"]
            schema, file = self._facts.error, operation.file
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
            known = self._facts.nullable if is_answer else None
            converted = as_json_schema(schema, nullable=known.names if known else None)
            self._validators[key] = Draft202012Validator(
                absolute(converted, file),
                registry=self._loaded.registry,
                format_checker=_FORMATS,
            )
        return self._validators[key]


_FORMATS = Draft202012Validator.FORMAT_CHECKER


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
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"  # HubSpot's own client writes `True`
    if kind == "array":
        return text.split(",")
    return text
