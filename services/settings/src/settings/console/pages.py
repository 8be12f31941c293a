"""Rendering: templates that escape everything, times in a zone, files named by their hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    digest: str


def _assets() -> dict[str, _Asset]:
    found = {}
    for file in resources.files("settings.console").joinpath("static").iterdir():
        content = file.read_bytes()
        kind = file.name.rpartition(".")[2]
        found[file.name] = _Asset(content, _TYPES[kind], hashlib.sha256(content).hexdigest()[:16])
    return found


_ASSETS = _assets()


async def static(request: Request) -> Response:
    """A file of the console; under its own hash it never changes, so it may be kept for ever."""
    asset = _ASSETS.get(request.path_params["name"])
    if asset is None:
        return Response(status_code=404)
    current = request.path_params["digest"] == asset.digest
    kept = "public, max-age=31536000, immutable" if current else "no-store"
    return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": kept})


def _address(name: str) -> str:
    return f"/static/{_ASSETS[name].digest}/{name}"


def _moment(at: datetime, zone: str) -> str:
    """`26 Nov 2026, 14:05`, in this zone."""
    return f"{at.astimezone(ZoneInfo(zone)):%d %b %Y, %H:%M}".lstrip("0")


def _span(span: timedelta) -> str:
    """`15 minutes`, `1 hour`, `90 seconds`: in the largest unit that is whole."""
    seconds = span.total_seconds()
    units = {"hour": 3_600, "minute": 60, "second": 1}
    unit = next((unit for unit, length in units.items() if seconds % length == 0), "second")
    number = seconds / units[unit]
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def _words(key: str) -> str:
    """`no_active_assignee` as people read it."""
    return key.replace("_", " ").capitalize()


_environment = Environment(
    loader=PackageLoader("settings.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["moment"] = _moment
_environment.filters["span"] = _span
_environment.filters["words"] = _words
_environment.globals["asset"] = _address


def render(template: str, **values: Any) -> str:
    return _environment.get_template(template).render(**values)


def page(
    template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    return HTMLResponse(
        render(template, **{"viewer": None, "workspace": None, "tab": None} | values),
        status,
        headers,
    )


def notice(
    status: int,
    title: str,
    text: str,
    *,
    headers: Mapping[str, str] | None = None,
    sign_in: bool = False,
    **values: Any,
) -> HTMLResponse:
    """A page that says one thing, and how to go on."""
    return page("notice.html", status, headers, title=title, text=text, sign_in=sign_in, **values)
