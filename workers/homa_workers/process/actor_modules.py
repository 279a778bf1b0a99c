"""`homa worker --actors`: imports an application's modules, and finds the broker that their actors are on."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import dramatiq

from homa_shared.broker import COMPLETE, HomaBroker
from homa_shared.model.errors import ConfigError
from homa_shared.store.address import StoreAddress

#: Names of this machine.
_LOCAL = {"localhost": "127.0.0.1", "::1": "127.0.0.1"}


def import_actors(modules: Sequence[str], broker: HomaBroker) -> HomaBroker:
    """Imports modules with Dramatiq actors.

    Args:
        modules: names to import.
        broker: Dramatiq's global one meanwhile, for modules that set none.

    Returns:
        The broker of their actors: the given one, or the one that a module has set in its place.

    Raises:
        ConfigError: a module cannot be found; it sets a broker of another kind, or on another store; its actors would
            be on two brokers.
    """
    dramatiq.set_broker(broker)
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"--actors {name}: {error}; expected an importable module") from error
        now = dramatiq.get_broker()
        if now is not broker:
            broker = _adopted(name, now, broker)
    return broker


def declared_actors(broker: HomaBroker) -> list[str]:
    """Names of an application's actors."""
    return sorted(name for name in broker.get_declared_actors() if name != COMPLETE)


def _adopted(module: str, broker: dramatiq.Broker, before: HomaBroker) -> HomaBroker:
    if not isinstance(broker, HomaBroker):
        raise ConfigError(
            f"--actors {module}: it sets a {type(broker).__name__} as Dramatiq's broker, which Homa cannot serve; "
            "expected HomaBroker(url, namespace) of homa_shared.broker, or no broker at all"
        )
    mine, theirs = _place(before), _place(broker)
    if mine != theirs:
        raise ConfigError(
            f"--actors {module}: its HomaBroker is on {broker.address}, namespace {broker.namespace}, but this worker "
            f"on {before.address}, namespace {before.namespace}; expected the same: set HOMA_REDIS_URL and "
            "HOMA_NAMESPACE, or give the broker theirs"
        )
    if stranded := declared_actors(before):
        raise ConfigError(
            f"--actors {module}: it sets a broker after {', '.join(stranded)} had been declared on another, where "
            "nobody would run them; expected the broker to be set before any actor is declared"
        )
    before.close()
    return broker


def _place(broker: HomaBroker) -> tuple[object, ...]:
    address: StoreAddress = broker.address
    hosts = tuple((_LOCAL.get(host, host), port) for host, port in address.hosts)
    return hosts, address.socket_path, address.service, address.db, broker.namespace
