"""Imports modules whose functions are event handlers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module

from homa_shared.model.errors import ConfigError
from homa_shared.model.event_handlers import HANDLERS, Handler


def import_handlers(modules: Sequence[str]) -> list[Handler]:
    """All handlers that are declared once some modules are imported.

    Raises:
        ConfigError: a module cannot be found, or none of them declares a handler.
    """
    for name in modules:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(f"--handlers {name}: {error}; expected an importable module") from error
    if modules and not HANDLERS:
        raise ConfigError(f"--handlers {' '.join(modules)}: no function there is declared with @homa.on(…)")
    return list(HANDLERS.values())


def not_written(handlers: Iterable[Handler], off: Sequence[str]) -> list[str]:
    """Sentences about events that handlers are for and that the fleet's settings turn off."""
    return [
        f"event handler {handler.name} is not called for {', '.join(names)}: the fleet's settings (events.off) name it"
        for handler in handlers
        if (names := [name for name in handler.names if name in off])
    ]
