"""Structured logs on stderr: for people on a terminal, a JSON document a line elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import structlog

from homa_shared.model.json_safe import sound_json


def start(level: str, form: str) -> None:
    """Sets up structlog, and Dramatiq's own logger at warnings.

    Args:
        level: debug, info, warning or error.
        form: console, json, or auto (console on a terminal).
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if console:
        processors: list[structlog.typing.Processor] = [
            *shared,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
        factory: Callable[..., Any] = structlog.PrintLoggerFactory(sys.stderr)
    else:
        processors = [*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_line)]
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.getLogger("dramatiq").setLevel(logging.WARNING)


def _line(event: dict[str, Any], **_: Any) -> bytes:
    """An event as JSON. A provider's message may hold what UTF-8 cannot carry: logging must not fail for that."""
    return sound_json(event)
