"""Wire shapes, a provider each: those that the profiles of kinds name."""

from __future__ import annotations

from importlib import import_module

from homa_shared.kinds.registry import known_kinds, profile_of
from homa_workers.simulator.dialect import Dialect


def all_dialects() -> tuple[Dialect, ...]:
    """All of them, in the order in which a path is tried.

    Raises:
        ConfigError: the package of a kind brings no profile that can be loaded.
    """
    named = [path for path in (profile_of(kind).simulator for kind in known_kinds()) if path]
    return tuple(sorted(map(_made, named), key=lambda dialect: dialect.precedence))


def _made(path: str) -> Dialect:
    module, _, name = path.partition(":")
    dialect: Dialect = getattr(import_module(module), name)()
    return dialect
