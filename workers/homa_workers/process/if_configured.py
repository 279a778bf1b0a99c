"""`homa worker … --if-configured`: what has no account on this machine is left out instead of ending the process.

What runs a Procfile ends all of its processes when one ends. So a process type for a provider without a key waits, with
nothing to do, until it is told to stop.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence

from homa_shared.kinds.registry import profile_of
from homa_shared.settings.model import Settings


def configured(settings: Settings, wanted: Sequence[str]) -> list[str]:
    """Those of the providers wanted (none: of all) that have an account here, and a key where their kind needs one.

    Raises:
        ConfigError: a file of a key cannot be read.
    """
    names = [name.lower() for name in wanted] or sorted(settings.providers)
    return [name for name in names if name in settings.providers and _has_key(settings, name)]


def _has_key(settings: Settings, name: str) -> bool:
    provider = settings.providers[name]
    return not profile_of(provider.kind).connection.key_needed or provider.key() is not None


async def wait_for_signal(wanted: Sequence[str], say: Callable[[str], None]) -> None:
    """Waits, with nothing to do, until SIGTERM, SIGINT or SIGHUP."""
    say(f"{', '.join(wanted) or 'no provider'} is not configured here: nothing to do until a signal (--if-configured)")
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    await told.wait()
