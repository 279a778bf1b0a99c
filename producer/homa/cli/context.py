"""How a command opens its session, and what it tells of it: the first line on stderr names store and settings."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from homa.client.session import Session
    from homa.drivers.context import Context, Start

#: C0 but for tab and line feed, DEL, and C1 (ECMA-48).
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def session(*, drift_told: bool = True) -> AbstractContextManager[Session]:
    """A session that looks and administers, in whatever state the store is; the fleet's settings are not touched.

    An embedded store that stopped with data in it is started, since that data is what is asked for.

    Args:
        drift_told: say where this machine's settings are not those in force; without it the command does so itself.

    Raises:
        ConfigError: a setting is wrong.
        StoreUnavailable: there is no store to join, or it does not start.
    """
    from homa.drivers.context import Start

    return _opened(_context(Start.WITH_DATA), needs_store=True, drift_told=drift_told)


def submitting_session(*, start: bool = True) -> AbstractContextManager[Session]:
    """A session that may submit.

    Args:
        start: start the embedded store where HOMA_REDIS_URL is unset; without it, work goes on without a store where
            none runs.

    Raises:
        ConfigError: a setting is wrong.
        StoreUnavailable: the store cannot be reached or started, or cannot keep jobs safely.
    """
    from homa.drivers.context import Start

    context = _context(Start.ALWAYS if start else Start.NEVER, safe_only=True)
    # Its submitter logs where settings are not in force, and what the client logs is said.
    return _opened(context, needs_store=start, drift_told=False)


@contextmanager
def _opened(context: Context, *, needs_store: bool, drift_told: bool = True) -> Iterator[Session]:
    from homa.client.session import Session
    from homa_shared.model.errors import StoreUnavailable

    try:
        found = str(context.address())
    except StoreUnavailable:
        if needs_store:
            raise
        found = None
    say(f"store {found or 'none'}, settings {context.settings.config_file or 'from the environment'}")
    _say_warnings(context)
    _say_what_the_client_logs(debug=context.settings.debug)
    opened = Session(context, joined=found is not None)
    try:
        if found is not None and drift_told and not context.owns_fleet:
            _say_drift(opened)
        yield opened
    finally:
        opened.close()


def _say_drift(session: Session) -> None:
    from homa_shared.settings.changes import drift
    from homa_shared.store.transitions.fleet import read_fleet

    fleet = session.store.run(read_fleet(session.keys))
    # A fleet without providers takes the first worker's settings by itself.
    said = drift(fleet, session.settings.fleet()) if fleet is not None and fleet.providers else None
    if said is not None:
        say(f"warning: {said}")


def settings_context() -> Context:
    """The context of a command that is about settings or the embedded store itself, and opens no session."""
    from homa.drivers.context import Start

    context = _context(Start.NEVER)
    _say_warnings(context)
    return context


def _context(start: Start, *, safe_only: bool = False) -> Context:
    from homa.drivers.context import Context
    from homa_shared.settings.model import load_settings

    return Context(load_settings, start, safe_only, role="cli")


def _say_warnings(context: Context) -> None:
    for warning in context.settings.warnings:
        say(f"warning: {warning}")


class _ClientWarnings(logging.Handler):
    """Says on stderr what the client logs."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()}: {record.getMessage()}")


def _say_what_the_client_logs(*, debug: bool) -> None:
    log = logging.getLogger("homa")
    if debug:
        log.setLevel(logging.DEBUG)
    # A process may open several sessions.
    if not any(isinstance(handler, _ClientWarnings) for handler in log.handlers):
        log.addHandler(_ClientWarnings())


def standard_input() -> str:
    """All text on standard input. Raises InvalidRequest where it is not UTF-8."""
    import sys

    from homa_shared.model.errors import InvalidRequest

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"standard input is not UTF-8 ({error.reason} at byte {error.start}): recode it") from None


def say(message: str) -> None:
    """A message to the person, on stderr: stdout belongs to results."""
    click.echo(f"homa: {visible(message)}", err=True)


def visible(text: str) -> str:
    """A text whose control characters are seen instead of obeyed: prompts, answers and errors are others' words.

    Line feeds and tabs stay. The others, as a terminal's escape sequences, could rewrite what stands on the screen.
    """
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
