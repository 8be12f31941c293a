"""Writes .env.example, docs/configuration.md and parts of deploy/ from what they repeat.

`make docs` runs it; `--check` writes nothing and fails where a file is not current.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import annotated_types
import asyncapi
import deployment
from common import config as shared
from common.catalog import APPS, CRMS, ActionKind, apps_of
from delivery.adapters.crm.unconfirmed import facts_of
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from settings.adapters.vendors import OFFERS

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("ingest", "debounce", "delivery", "settings", "lull", "simulators")
SHARED: Final[dict[str, type[BaseSettings]]] = {
    "every service": shared.ServiceConfig,
    "Kafka": shared.KafkaConfig,
    "the quiet period": shared.QuietPeriodConfig,
    "the activity beside the note": shared.ActivityConfig,
    "the inbox app": shared.ActionsConfig,
}
MARKER: Final = "Generated from the config classes by `make docs`; do not edit."


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    meaning: str
    values: str  # what is allowed, for people; empty: anything
    default: str | None  # as it would be written; None: required
    computed: bool  # the default is found when the service starts
    secret: bool


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    used_by: tuple[str, ...]  # services; empty: the title says it
    variables: tuple[Variable, ...]


def sections() -> list[Section]:
    """The shared parts, then one section per service with what is its own."""
    classes = {service: _config_class(service) for service in SERVICES}
    vendors = [(f"settings ({_title(offer.name)})", offer.variables) for offer in OFFERS]
    parts = [
        Section(
            f"Shared: {title}",
            tuple(name for name, its in [*classes.items(), *vendors] if issubclass(its, part)),
            tuple(_variables(part)),
        )
        for title, part in SHARED.items()
    ]
    common_fields = {name for part in SHARED.values() for name in part.model_fields}
    own = [
        Section(service, (), tuple(_variables(its, leave_out=common_fields)))
        for service, its in classes.items()
    ]
    offers = [
        Section(
            f"settings, {_title(offer.name)}",
            (),
            tuple(_variables(offer.variables, leave_out=common_fields)),
        )
        for offer in OFFERS
    ]
    return [part for part in (*parts, *own, *offers) if part.variables]


def _title(crm: str) -> str:
    return " and ".join(app.name for app in apps_of(crm))


def _config_class(service: str) -> type[BaseSettings]:
    """The one class of `<service>.config` that no other there builds on."""
    module = importlib.import_module(f"{service}.config")
    found = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type)
        and issubclass(thing, BaseSettings)
        and thing.__module__ == module.__name__
    ]
    last = [thing for thing in found if not any(thing in other.__mro__[1:] for other in found)]
    if len(last) != 1:
        raise SystemExit(f"{service}.config: one configuration class is expected, not {len(last)}")
    return last[0]


def _variables(
    config: type[BaseSettings], leave_out: set[str] | frozenset[str] = frozenset()
) -> Iterator[Variable]:
    prefix = config.model_config.get("env_prefix", "")
    for name, field in config.model_fields.items():
        if name in leave_out:
            continue
        if not field.description:
            raise SystemExit(f"{config.__name__}.{name} has no description")
        alias = field.validation_alias
        yield Variable(
            name=alias if isinstance(alias, str) else f"{prefix}{name}".upper(),
            meaning=" ".join(field.description.split()),
            values=_values(field),
            default=None if field.is_required() else _default(field),
            computed=field.default_factory not in (None, list, dict),
            secret=_mentions(field.annotation, SecretStr),
        )


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return ""
    return _written(field.default)


def _written(value: Any) -> str:
    """The value as a variable would hold it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.10g}"
        case list() | tuple():
            return ",".join(map(_written, value))
        case dict():
            return json.dumps(value)
        case _:
            return str(value)


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))


def _values(field: FieldInfo) -> str:
    annotation = field.annotation
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if annotation is bool:
        return "`true` or `false`"
    return ", ".join(filter(None, map(_bound, field.metadata)))


def _bound(rule: object) -> str:
    match rule:
        case annotated_types.Ge(ge=least):
            return f"{least} or more"
        case annotated_types.Gt(gt=under):
            return f"more than {under}"
        case annotated_types.Le(le=most):
            return f"at most {most}"
        case annotated_types.Lt(lt=over):
            return f"less than {over}"
        case _:
            return ""


def configuration_page(found: list[Section]) -> str:
    lines = [
        "# Configuration",
        "",
        f"<!-- {MARKER} -->",
        "",
        "Every part is configured by environment variables alone. Instead of a variable, a file of",
        "the same name in lower case may hold its value, in the folder that `LULL_SECRETS_DIR`",
        "names: the way for secrets. A variable wins over a file. What is missing or wrong is told",
        "at the start, all of it at once and without the values. `lull` reads the shared parts.",
    ]
    for section in found:
        lines += ["", f"## {section.title}", ""]
        if section.used_by:
            lines += [f"Read by {', '.join(section.used_by)}.", ""]
        lines += ["| variable | default | meaning |", "|---|---|---|"]
        lines += [_row(variable) for variable in section.variables]
    return "\n".join(lines) + "\n"


def _row(variable: Variable) -> str:
    meaning = variable.meaning + (f" ({variable.values})" if variable.values else "")
    if variable.secret:
        meaning += " **Secret.**"
    cells = (f"`{variable.name}`", _default_cell(variable), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default_cell(variable: Variable) -> str:
    if variable.default is None:
        return "**required**"
    if variable.computed:
        return "found at the start"
    if variable.secret and variable.default:
        return "built in"
    return f"`{variable.default}`" if variable.default else "none"


def env_example(found: list[Section]) -> str:
    """All commented out, so that a copy changes nothing until a line is chosen."""
    lines = [
        f"# {MARKER}",
        "# Copy to .env and take out the # of the lines you need; docs/configuration.md says more.",
        "# Secrets are better kept as files: see LULL_SECRETS_DIR there.",
    ]
    written: set[str] = set()
    for section in found:
        fresh = [variable for variable in section.variables if variable.name not in written]
        if not fresh:
            continue
        lines += ["", f"## {section.title}"]
        for variable in fresh:
            written.add(variable.name)
            marks = ["Required. "] * (variable.default is None) + ["Secret. "] * variable.secret
            lines.append(f"# {''.join(marks)}{variable.meaning}")
            value = "" if variable.secret else variable.default or ""
            lines.append(f"#{variable.name}={value}")
    return "\n".join(lines) + "\n"


def apps_page() -> str:
    """The catalog, for people who choose."""
    lines = [
        "# The apps",
        "",
        "<!-- Generated from `common.catalog` by `make docs`; do not edit. -->",
        "",
        "One per CRM product. Setting one up: [setup](setup/). What is not proved yet:",
        "[verified](verified.md).",
    ]
    for app in APPS.values():
        made = ", ".join(kind for kind in ActionKind if kind in app.actions)
        asked = ", ".join(f"`{scope}`" for scope in app.scopes) or "as set in its developer console"
        lines += ["", f"## {app.name}", "", f"- key `{app.key}`, CRM `{app.crm}`"]
        lines.append(f"- continuous sync: {'yes' if app.continuous else 'no'}")
        lines += ["- an activity beside the note"] * app.activity
        lines.append(f"- made from the inbox app: {made or 'nothing'}")
        lines.append(f"- consent: {asked}{'; with PKCE' * app.pkce}")
        lines += [f"- {limit}" for limit in app.limits]
    return "\n".join(lines) + "\n"


def verified_page() -> str:
    """What the vendors' pages leave open, and what was seen of it at a live account."""
    lines = [
        "# Verified at the vendors",
        "",
        "<!-- Generated from each `adapters/crm/<crm>/facts.toml` by `make docs`; do not edit. -->",
        "",
        "No page of a vendor says these for sure, so each stands on the careful side.",
        "`lull doctor --live <app> --workspace <id>` tries a sandbox account, says what it proved;",
        "the day is then entered as `proved` in the CRM's file of facts.",
    ]
    for crm in CRMS:
        lines += ["", f"## {_title(crm)}", "", "| fact | meanwhile | source | proved |"]
        lines += ["|---|---|---|---|"]
        for fact in facts_of(crm):
            by = f"not yet (step: {fact.step})" if fact.step else "not yet (by hand)"
            cells = (fact.what, fact.meanwhile, fact.source, str(fact.proved or by))
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def files() -> dict[Path, str]:
    found = sections()
    return {
        ROOT / "docs" / "configuration.md": configuration_page(found),
        ROOT / ".env.example": env_example(found),
        ROOT / "docs" / "apps.md": apps_page(),
        ROOT / "docs" / "verified.md": verified_page(),
        **deployment.files(),
        **asyncapi.files(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if not current")
    if not parser.parse_args().check:
        for path, text in files().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return
    stale = [
        str(path.relative_to(ROOT))
        for path, text in files().items()
        if not path.exists() or path.read_text() != text
    ]
    if stale:
        sys.exit(f"Not current: {', '.join(stale)}. Run `make docs` and commit what it writes.")


if __name__ == "__main__":
    main()
