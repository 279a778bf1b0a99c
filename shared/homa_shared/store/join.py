"""How a process joins a fleet: which store, whether it keeps jobs safely, and the settings that all agree on.

The first process in an empty store writes its own fleet settings; later ones take what is there, and only `homa apply`
changes them. A store whose settings know no provider yet (a producer came first) takes the first worker's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from homa_shared.model.errors import ConfigError, StoreUnavailable
from homa_shared.settings.encryption import keyring_of
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.errors import NO_KEYS
from homa_shared.store.keys import Keys
from homa_shared.store.rights import denied_commands, require_rights
from homa_shared.store.safety_checks import require_safe
from homa_shared.store.transitions.fleet import read_fleet, supersedes, write_fleet

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet
    from homa_shared.settings.model import Settings


def address_of(settings: Settings, *, start: bool = False) -> StoreAddress:
    """Where the store is.

    Args:
        settings: of this process.
        start: start the embedded store where none is set and it does not run.

    Raises:
        StoreUnavailable: no store is set, and the embedded one does not run.
        ConfigError: keys of encryption are wrong.
    """
    return replace(_address_of(settings, start=start), keyring=keyring_of(settings))


def _address_of(settings: Settings, *, start: bool) -> StoreAddress:
    if settings.redis_url is not None:
        return StoreAddress.parse(str(settings.redis_url))
    from homa_shared.store.embedded import EmbeddedStore

    embedded = EmbeddedStore(settings.home)
    if start:
        return StoreAddress.parse(embedded.ensure())
    status = embedded.running()
    if status is None:
        raise StoreUnavailable(
            f"HOMA_REDIS_URL is not set, and no embedded store runs in {settings.home}: set it, or start the store "
            "with `homa up`, `homa run` or Homa.local()"
        )
    return StoreAddress.parse(status.url)


async def enter(store: AsyncStore, mine: Fleet) -> Fleet:
    """The fleet's settings, after a look at whether the store is fit to keep jobs.

    Raises:
        StoreUnavailable: it cannot be reached, is too old, might drop jobs, or refuses its user a command.
        ConfigError: the fleet requires encryption, and this process has no keys.
    """
    require_safe(await store.facts())
    require_rights(await store.run(denied_commands(store.keys)), store.address, store.keys)
    while True:
        theirs = await store.run(read_fleet(store.keys))
        if theirs is not None and not supersedes(mine, theirs):
            require_keys(theirs, store.keys)
            return theirs
        require_keys(mine, store.keys)
        await store.run(write_fleet(store.keys, mine, seen=theirs.version if theirs else 0))


def require_keys(fleet: Fleet, keys: Keys) -> None:
    """Refuses a process that would write in clear what a fleet requires to be encrypted.

    Raises:
        ConfigError: it has no keys.
    """
    if fleet.encryption_required and keys.cipher is None:
        raise ConfigError(f"this fleet requires that payloads are encrypted: {NO_KEYS}")
