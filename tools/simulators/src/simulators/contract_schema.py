"""OpenAPI 3.0 schemas turned into JSON Schema 2020-12, stricter in one way: undeclared fields are errors.

OpenAPI lets an object carry more than it declares. Here a field that the description does not know is
reported, since it is most often a misspelt one.
"""

from typing import Any

Schema = dict[str, Any]


def as_json_schema(node: Any, *, closed: bool = True) -> Any:
    """The schema with `nullable` spelt out and objects closed.

    Args:
        node: a schema, or a part of one.
        closed: False inside allOf, where the whole is closed instead of its parts.

    """
    if isinstance(node, list):
        return [as_json_schema(item, closed=closed) for item in node]
    if not isinstance(node, dict):
        return node
    out: Schema = {}
    for key, value in node.items():
        if key in ("properties", "patternProperties"):
            out[key] = {name: as_json_schema(schema) for name, schema in value.items()}
        elif key in ("allOf", "anyOf", "oneOf"):
            out[key] = [as_json_schema(s, closed=closed and key != "allOf") for s in value]
        elif key in ("items", "additionalProperties"):
            out[key] = as_json_schema(value)
        elif key not in ("nullable", "discriminator", "xml", "externalDocs", "description"):
            out[key] = value
    open_ended = "additionalProperties" in out or not ({"properties", "allOf"} & out.keys())
    if closed and not open_ended and "unevaluatedProperties" not in out:
        out["unevaluatedProperties"] = False
    if node.get("nullable"):
        return {"anyOf": [{"type": "null"}, out]}
    return out


def document(openapi: Schema) -> Schema:
    """A whole description with every schema in it converted, so that `$ref`s into it still hold."""
    out = dict(openapi)
    components = dict(openapi.get("components", {}))
    components["schemas"] = {
        name: as_json_schema(schema) for name, schema in components.get("schemas", {}).items()
    }
    out["components"] = components
    return out
