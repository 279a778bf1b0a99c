"""Makes what a worker is made from and throws it away: `homa doctor` asks for it in a process of its own.

    python -m homa_workers.process.loading

A line of JSON on stdout for each: its name, and what is wrong with it or null.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec

import orjson

from homa_shared.kinds.registry import profile_of
from homa_shared.model.errors import ConfigError, HomaError
from homa_shared.plugins import Policy
from homa_shared.settings.model import Settings, load_settings
from homa_workers.middleware.entry_points import installed, split
from homa_workers.process.accounts import account_config
from homa_workers.providers.registry import create


async def main() -> int:
    """Tells of every configured provider, then of middleware."""
    settings = load_settings()
    for name in sorted(settings.providers):
        await _provider(settings, name)
    _tell("middleware", _trouble(lambda: _middleware(settings.plugins)))
    return 0


async def _provider(settings: Settings, name: str) -> None:
    given = settings.providers[name]
    try:
        profile = profile_of(given.kind)
    except HomaError as error:
        _tell(f"adapter of {name}", str(error))
        return
    if profile.connection.key_needed and _keyless(settings, name):
        # Its workers run elsewhere, which the check of keys tells.
        return
    if profile.extra and profile.sdk and find_spec(profile.sdk.partition(".")[0]) is None:
        return
    try:
        adapter = create(account_config(name, given))
    except HomaError as error:
        _tell(f"adapter of {name}", str(error))
        return
    await adapter.aclose()
    _tell(f"adapter of {name}", None)


def _middleware(policy: Policy) -> None:
    """Makes each once; raises what a worker would be told of the first that it cannot make."""
    told: list[str] = []
    split(installed(policy, told.append), policy, told.append)
    if told:
        raise ConfigError("; ".join(told))


def _keyless(settings: Settings, name: str) -> bool:
    try:
        return settings.providers[name].key() is None
    except HomaError:
        return True


def _trouble(make: Callable[[], None]) -> str | None:
    try:
        make()
    except HomaError as error:
        return str(error)
    return None


def _tell(name: str, trouble: str | None) -> None:
    sys.stdout.buffer.write(orjson.dumps([name, trouble]) + b"\n")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
