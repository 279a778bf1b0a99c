"""Structured logs on stderr: for people on a terminal, a JSON document a line elsewhere.

Where lines are JSON, all of stderr is: what the process says at its start and end, what libraries log, warnings, and
the traceback of whatever ends it. Only what a foreign library writes to the file descriptor itself is not.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal

import structlog

from homa_shared.model.json_safe import sound_json

#: What the process itself says in words, for people.
SAID = "worker.said"
Level = Literal["info", "warning", "error"]
_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)


def is_json(form: str) -> bool:
    """Whether lines are JSON.

    Args:
        form: console, json, or auto (console on a terminal).
    """
    return form == "json" or (form != "console" and not sys.stderr.isatty())


def start(level: str, form: str) -> None:
    """Sets up structlog, and the standard library's logging at warnings, for Dramatiq and other libraries.

    Args:
        level: debug, info, warning or error.
        form: console, json, or auto (console on a terminal).
    """
    as_json = is_json(form)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _STAMP,
    ]
    processors: list[structlog.typing.Processor]
    if as_json:
        processors = [*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_line)]
        factory: Callable[..., Any] = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        # Rich's tracebacks show the values of variables, prompts and keys among them.
        plain = structlog.dev.plain_traceback
        processors = [*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.getLogger("dramatiq").setLevel(logging.WARNING)


def take_all_of_stderr(form: str) -> None:
    """Brings what others would write to stderr into the same form: logging, warnings, uncaught errors.

    It is for a process of its own, since it changes what Python does for all of it.
    """
    if not is_json(form):
        return
    logging.basicConfig(handlers=[_Lines()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = lambda failed: _failed("thread.failed", failed.exc_value)
    sys.unraisablehook = lambda failed: _failed("error.unraisable", failed.exc_value)


def form_of_environment() -> str:
    """The form that HOMA_LOG_FORMAT asks for, for what is said before the settings are read."""
    return os.environ.get("HOMA_LOG_FORMAT", "auto").lower()


def say(text: str, level: Level = "info", form: str | None = None) -> None:
    """Tells people something, on stderr: in words, or where lines are JSON as one.

    Args:
        form: as of `start`; None: as HOMA_LOG_FORMAT says.
    """
    if is_json(form or form_of_environment()):
        _write({"event": SAID, "said": text, "level": level})
    else:
        print(f"homa: {text}", file=sys.stderr, flush=True)  # noqa: T201 - stdout stays empty


class _Lines(logging.Handler):
    """Log records of libraries as lines of JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            facts: dict[str, Any] = {"event": record.getMessage(), "logger": record.name}
            if record.exc_info:
                facts["exception"] = "".join(traceback.format_exception(*record.exc_info))
            _write(facts | {"level": record.levelname.lower()})
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """What cannot be told is named; its own words are what could not be."""
        _write({"event": "log.unreadable", "logger": record.name, "level": "error"})


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _failed("worker.crashed", error)


def _failed(event: str, error: BaseException | None) -> None:
    words = "".join(traceback.format_exception(error)) if error is not None else ""
    _write({"event": event, "error": type(error).__name__, "exception": words, "level": "error"})


def _write(facts: dict[str, Any]) -> None:
    """One line, at whatever moment: also while structlog is not set up, or is being torn down."""
    sys.stderr.buffer.write(_line(dict(_STAMP(None, "", facts))) + b"\n")
    sys.stderr.buffer.flush()


def _line(event: dict[str, Any], **_: Any) -> bytes:
    """An event as JSON. A provider's message may hold what UTF-8 cannot carry: logging must not fail for that."""
    return sound_json(event)
