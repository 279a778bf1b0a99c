"""Middlewares that installed packages bring, by entry points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

from homa_shared.model.errors import ConfigError
from homa_workers.middleware.base import Middleware

#: A package's entry point of this group is a Middleware class, or a function that makes one.
ENTRY_POINT_GROUP = "homa.middleware"

#: Makes a worker's instance.
Factory = Callable[[], Middleware]


def installed() -> Sequence[Factory]:
    """What makes the middlewares of installed packages, in the order of their entry points' names.

    Raises:
        ConfigError: one cannot be loaded; it is named.
    """
    return [_load(point) for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)]


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


def _load(point: EntryPoint) -> Factory:
    package = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    try:
        found = point.load()
    except Exception as error:
        raise ConfigError(
            f"middleware {point.name!r}{package} cannot be loaded from {point.value}: {error!r}; mend or uninstall it"
        ) from error
    if not callable(found):
        raise ConfigError(
            f"middleware {point.name!r}{package} is {found!r}; expected a Middleware class or a function that makes one"
        )
    factory: Factory = found
    return factory
