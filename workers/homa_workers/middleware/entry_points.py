"""Middlewares that installed packages bring, by entry points, and those of modules that a worker is told to load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from homa_shared.model.errors import ConfigError
from homa_workers.middleware.around import Around
from homa_workers.middleware.base import Middleware

#: A package's entry point of this group is a Middleware class, a function that makes one, or what `@around` declares.
ENTRY_POINT_GROUP = "homa.middleware"

#: Makes a worker's instance.
Factory = Callable[[], Middleware]
#: What a worker can be given.
Given = Factory | Around


def installed() -> Sequence[Given]:
    """What makes the middlewares of installed packages, in the order of their entry points' names.

    Raises:
        ConfigError: one cannot be loaded; it is named.
    """
    return [_load(point) for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)]


def declared(modules: Sequence[str]) -> list[Given]:
    """What modules declare: functions with `@around`, and classes of Middleware, in the order of their definition.

    Raises:
        ConfigError: a module cannot be imported, or declares none.
    """
    return [found for module in modules for found in _of_module(module)]


def split(given: Sequence[Given]) -> tuple[list[Middleware], list[Around]]:
    """A worker's instances, and the functions around calls.

    Raises:
        ConfigError: an instance cannot be made; it is named.
    """
    around = [one for one in given if isinstance(one, Around)]
    return [make(one) for one in given if not isinstance(one, Around)], around


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


def _load(point: EntryPoint) -> Given:
    package = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    try:
        found = point.load()
    except Exception as error:
        raise ConfigError(
            f"middleware {point.name!r}{package} cannot be loaded from {point.value}: {error!r}; mend or uninstall it"
        ) from error
    if isinstance(found, Around):
        return found
    if not callable(found):
        raise ConfigError(
            f"middleware {point.name!r}{package} is {found!r}; expected a Middleware class or a function that makes one"
        )
    factory: Factory = found
    return factory
