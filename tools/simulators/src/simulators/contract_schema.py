"""OpenAPI 3.0 schemas as JSON Schema 2020-12, stricter in one way: undeclared fields are errors.

OpenAPI lets an object carry more than it declares. Here a field that the description does not know
is reported, since it is most often a misspelt one.
"""

from re import Pattern
from typing import Any

Schema = dict[str, Any]

_DROPPED = frozenset({"nullable", "discriminator", "xml", "externalDocs", "description"})


def as_json_schema(
    node: Any,
    *,
    nullable: Pattern[str] | None = None,
    closed: bool = True,
) -> Any:
    """The schema with `nullable` spelt out and objects closed.

    Args:
        node: a schema.
        nullable: names of properties that may be null besides those that say so.
        closed: False inside allOf, where the whole is closed instead of its parts.

    """
    if not isinstance(node, dict):
        return node
    out: Schema = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: _property(name, s, nullable) for name, s in value.items()}
        elif key in ("allOf", "anyOf", "oneOf"):
            inner = closed and key != "allOf"
            out[key] = [as_json_schema(s, nullable=nullable, closed=inner) for s in value]
        elif key in ("items", "additionalProperties"):
            out[key] = as_json_schema(value, nullable=nullable)
        elif key not in _DROPPED:
            out[key] = value
    is_object = bool({"properties", "allOf"} & out.keys())
    if closed and is_object and "additionalProperties" not in out:
        out["unevaluatedProperties"] = False
    return _or_null(out) if node.get("nullable") else out


def _property(name: str, schema: Schema, nullable: Pattern[str] | None) -> Schema:
    converted: Schema = as_json_schema(schema, nullable=nullable)
    may_be_null = nullable is not None and nullable.fullmatch(name)
    return _or_null(converted) if may_be_null else converted


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [{"type": "null"}, schema]}


def document(openapi: Schema, nullable: Pattern[str] | None) -> Schema:
    """A whole description with its named schemas converted, so that every `$ref` still holds."""
    components = dict(openapi.get("components", {}))
    components["schemas"] = {
        name: as_json_schema(schema, nullable=nullable)
        for name, schema in components.get("schemas", {}).items()
    }
    return openapi | {"components": components}
