"""A call of ours to a service's internal API, and what is said where it does not go well."""

from typing import Any, Final, TypeVar

import httpx
import typer
from common.config import ServiceConfig

EXIT_REFUSED: Final = 1  # answered, and it cannot be done
EXIT_USAGE: Final = 2  # wrong command line or configuration
EXIT_UNREACHABLE: Final = 3  # no answer: worth another try
_TIMEOUT_S: Final = 60.0

Config = TypeVar("Config", bound=ServiceConfig)


def failure(sentence: str, code: int) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(code)


def loaded(config: type[Config]) -> Config:
    """Raises typer.Exit, with one line per fault."""
    try:
        return config.load()
    except SystemExit as error:
        raise failure(str(error), EXIT_USAGE) from None


def call(
    service: str, base_url: str, method: str, path: str, *, missing_is: Any = None, **options: Any
) -> Any:
    """The answer's JSON; what `missing_is` says where there is nothing (404).

    Raises:
        typer.Exit: after one sentence that says what to do.

    """
    variable = f"LULL_{service.upper()}_URL"
    try:
        with httpx.Client(base_url=base_url, timeout=_TIMEOUT_S, trust_env=False) as client:
            answer = client.request(method, path, **options)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise failure(
            f"{service} did not answer at {base_url} ({type(error).__name__}). "
            f"Is it running, and is {variable} right?",
            EXIT_UNREACHABLE,
        ) from None
    try:
        body = answer.json()
    except ValueError:
        raise failure(
            f"What answers at {base_url} is not {service} (HTTP {answer.status_code}). "
            f"Is {variable} right?",
            EXIT_REFUSED,
        ) from None
    if answer.status_code == httpx.codes.NOT_FOUND and missing_is is not None:
        return missing_is
    if not answer.is_success:
        said = body.get("title") if isinstance(body, dict) else None
        code = EXIT_UNREACHABLE if answer.status_code >= 500 else EXIT_REFUSED
        raise failure(f"{service} refused ({answer.status_code}): {said}", code)
    return body
