"""Structured logs: one JSON line per event on stdout, ids and never a word of a conversation."""

import asyncio
import contextlib
import json
import logging
import sys
import threading
import warnings
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

# Libraries log request lines and payload sizes at INFO; theirs is not our story.
_NOISY = ("httpx", "httpcore", "uvicorn", "uvicorn.error", "aiokafka", "faststream", "asyncio")

SAME_AGAIN_AFTER_S = 10.0
_writing = threading.RLock()  # a finalizer may log in the middle of a line

Logger = structlog.typing.FilteringBoundLogger
_AS_JSON: Final = json.JSONEncoder(default=repr).encode


def configure(service: str, level: str) -> None:
    """Ours are written as they come; the libraries' own loggers come out in the same format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _service(service),
    ]
    # Not by way of the standard library's records: they cost more than all the rest of a line.
    structlog.configure(
        processors=[*shared, _errors_without_values, _as_line],
        logger_factory=_Lines,
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _errors_without_values,
                _as_line,
            ],
        )
    )
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    sys.excepthook = _log_crash
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_thread_crash
    warnings.showwarning = _log_warning


class _Lines:
    """Lines for one module. Where nobody takes them any more, the service goes on working."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def _write(self, line: str) -> None:
        with _writing, contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    debug = info = warning = error = critical = _write


class _Repeats(logging.Filter):
    """Lets a library say the same thing once in a while; aiokafka would 10 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_NOISY):
            return True
        said = (record.name, str(record.msg))  # the template: what is filled in may change
        if record.created - self._said_at.get(said, 0) < SAME_AGAIN_AFTER_S:
            return False
        self._said_at[said] = record.created
        return True


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """The last words of a process: Python's own would print the exception's message."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get(__name__).critical("process.crashed", exc_info=error)


def _log_unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """What a finalizer raised: Python's own hook would print its message, and the object."""
    get(__name__).error("error.lost", exc_info=lost.exc_value)


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    """Python's own hook would print the exception's message."""
    get(__name__).error("thread.crashed", exc_info=crash.exc_value)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A library's warning, without its message: pydantic's quote values."""
    place = f"{filename.rpartition('/site-packages/')[2]}:{lineno}"
    get(__name__).warning("python.warning", category=category.__name__, at_line=place)


def log_lost_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: asyncio's own would print the exception's message."""
    get(__name__).error(
        "asyncio.error_lost",
        context=context.get("message"),
        exc_info=context.get("exception"),
    )


def get(name: str) -> Logger:
    logger: Logger = structlog.get_logger(name)
    return logger


def _as_line(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return _AS_JSON(event)


def _service(name: str) -> Any:
    def add(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event["service"] = name
        return event

    return add


def _errors_without_values(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep an exception's type and place only: its message may quote a vendor's answer."""
    info = event.pop("exc_info", None)
    if info:
        error = (
            info
            if isinstance(info, BaseException)
            else (info[1] if isinstance(info, tuple) else sys.exc_info()[1])
        )
        if error is not None:
            event["error"] = type(error).__qualname__
            event["at_line"] = _places(error)
    return event


def _places(error: BaseException) -> list[str]:
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/src/')[2]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return places[-8:]
