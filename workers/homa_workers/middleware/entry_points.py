"""Middlewares that installed packages bring, by entry points, and those of modules that a worker is told to load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from homa_shared.model.errors import ConfigError
from homa_shared.plugins import Group, Plugin, PluginError, Policy, expects_callable, load_all, plugins_of
from homa_workers.middleware.around import Around
from homa_workers.middleware.base import Middleware

#: Makes a worker's instance.
Factory = Callable[[], Middleware]


@dataclass(frozen=True, slots=True)
class Plugged:
    """What makes the middleware of an installed package."""

    plugin: Plugin
    make: Factory


#: What a worker can be given.
Given = Factory | Around | Plugged


def _fault(name: str, found: object) -> str | None:
    return None if isinstance(found, Around) else _callable(name, found)


_callable = expects_callable("a Middleware class or a function that makes one, or one with @around")
#: A package's entry point of this group is a Middleware class, a function that makes one, or what `@around` declares.
MIDDLEWARE = Group("homa.middleware", "middleware", _fault)


def installed(policy: Policy, warn: Callable[[str], None]) -> Sequence[Given]:
    """The middlewares of installed packages, in the order of their entry points' names.

    Args:
        warn: is told of each broken one that is skipped.

    Raises:
        PluginError: one is broken, and the policy is `fatal`.
    """
    found = load_all(MIDDLEWARE, policy, warn)
    known = {plugin.name: plugin for plugin in plugins_of(MIDDLEWARE)} if found else {}
    return [_given(known[name], value) for name, value in found.items()]


def declared(modules: Sequence[str]) -> list[Given]:
    """What modules declare: functions with `@around`, and classes of Middleware, in the order of their definition.

    Raises:
        ConfigError: a module cannot be imported, or declares none.
    """
    return [found for module in modules for found in _of_module(module)]


def split(given: Sequence[Given], policy: Policy, warn: Callable[[str], None]) -> tuple[list[Middleware], list[Around]]:
    """A worker's instances, and the functions around calls.

    Args:
        policy: what becomes of an installed package's that cannot be made.
        warn: is told of each that is skipped.

    Raises:
        ConfigError: an instance cannot be made; it is named.
    """
    made: list[Middleware] = []
    for one in given:
        if isinstance(one, Plugged):
            made += _plugged(one, policy, warn)
        elif not isinstance(one, Around):
            made.append(make(one))
    return made, [one for one in given if isinstance(one, Around)]


def make(factory: Factory) -> Middleware:
    """A worker's instance of a middleware.

    Raises:
        ConfigError: none can be made; it is named.
    """
    name = f"{factory.__module__}.{getattr(factory, '__qualname__', factory)}"
    try:
        made = factory()
    except Exception as error:
        raise ConfigError(f"middleware {name} cannot be made: {error!r}") from error
    if not isinstance(made, Middleware):
        raise ConfigError(f"middleware {name} made {made!r}; expected a homa_workers.middleware.Middleware")
    return made


def _of_module(name: str) -> list[Given]:
    try:
        module = import_module(name)
    except Exception as error:
        raise ConfigError(f"--middleware {name}: {error!r}; expected an importable module") from error
    # A class that was only imported there is somebody else's to install.
    found: list[Given] = [
        value
        for value in vars(module).values()
        if isinstance(value, Around)
        or (isinstance(value, type) and issubclass(value, Middleware) and value.__module__ == module.__name__)
    ]
    if not found:
        raise ConfigError(
            f"--middleware {name}: it declares none; expected functions with @around of homa_workers.middleware, "
            "or classes of Middleware"
        )
    return found


def _given(plugin: Plugin, found: object) -> Given:
    if isinstance(found, Around):
        return found
    assert callable(found), found  # `_fault` saw to it
    return Plugged(plugin, found)


def _plugged(one: Plugged, policy: Policy, warn: Callable[[str], None]) -> list[Middleware]:
    try:
        return [make(one.make)]
    except ConfigError as error:
        broken = PluginError(f"{one.plugin}: {error}; mend or uninstall it")
        if policy == "fatal":
            raise broken from error
        warn(f"{broken}. It is skipped")
        return []
