"""Wire shapes, a provider each: those that the profiles of kinds name."""

from __future__ import annotations

from importlib import import_module

from homa_shared.kinds.registry import known_kinds, package_of, profile_of
from homa_shared.model.errors import ConfigError
from homa_workers.simulator.dialect import Dialect


def all_dialects() -> tuple[Dialect, ...]:
    """All of them, in the order in which a path is tried.

    Raises:
        ConfigError: the package of a kind brings no profile, or no simulation, that can be loaded.
    """
    named = [(kind, path) for kind in known_kinds() if (path := profile_of(kind).simulator)]
    return tuple(sorted((_made(kind, path) for kind, path in named), key=lambda dialect: dialect.precedence))


def _made(kind: str, path: str) -> Dialect:
    module, _, name = path.partition(":")
    try:
        made: object = getattr(import_module(module), name)()
        if isinstance(made, Dialect):
            return made
        why = f"it makes {made!r:.80}; expected a Dialect"
    except Exception as error:
        package = package_of(kind)
        if not package:
            raise
        why = f"{type(error).__name__}: {error}"
    raise ConfigError(
        f"the simulation of kind {kind!r}, {path!r}, cannot be loaded: {why}. Mend its package ({package_of(kind)})."
    )
