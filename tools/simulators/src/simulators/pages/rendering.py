"""Templates. Everything is escaped, but for HTML that was cleaned just before."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

FOLDER = Path(__file__).parent


def _clean(html: str | None) -> Markup:
    """HTML of others, made harmless once more before it is shown."""
    return Markup(nh3.clean(html or ""))  # noqa: S704 - nh3 is what makes it safe


def _moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%d %b, %H:%M:%S")


_environment = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["clean"] = _clean
_environment.filters["moment"] = _moment


def page(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(
        _environment.get_template(template).render(**values),
        headers={
            "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; form-action *"
        },
    )
