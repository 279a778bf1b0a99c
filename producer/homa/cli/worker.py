"""`homa worker`: becomes `python -m homa_workers`, with its arguments as they are."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.model.errors import MissingExtra

#: The extra that every worker needs, and what it brings beside the SDKs of kinds.
_EXTRA, _TRANSPORT = "workers", "aiohttp"


@click.command("worker", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run one worker process; SIGTERM drains it, a second one stops it now. `homa worker --help` lists its options."""
    become("homa_workers", arguments, "a worker")


def become(module: str, arguments: tuple[str, ...], what: str) -> None:
    """Replaces this process by a module of the workers, so that signals reach it and nothing stands in between.

    Raises:
        MissingExtra: the part of the distribution that it needs is not installed.
    """
    require_workers(what)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def require_workers(what: str) -> None:
    """Raises MissingExtra unless workers can run here."""
    profiles = map(profile_of, builtin_kinds())
    needed = {_TRANSPORT} | {profile.sdk for profile in profiles if profile.extra == _EXTRA}
    if any(find_spec(name) is None for name in needed):
        raise MissingExtra(what, _EXTRA)
