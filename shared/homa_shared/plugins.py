"""Plugins: what installed packages add by entry points, found, loaded and checked in this one place.

    [project.entry-points."homa.tools"]
    weather = "acme_homa:weather"

A group is one sort of plugin; who uses it says what its plugins have to be (`Group.fault`). Nothing is looked through
before a group is asked for, and nothing is imported before a plugin of it is used. A module that was written for
another version of this interface says so by `HOMA_API = 2`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from homa_shared.model.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

#: Version of the interface of plugins. A change that plugins have to follow makes the next one.
API_VERSION = 1
#: What becomes of a broken plugin: it is left out with a warning, or ends what wanted it. none: no plugin is used.
Policy = Literal["skip", "fatal", "none"]


class PluginError(ConfigError):
    """A plugin cannot be used."""


@dataclass(frozen=True, slots=True)
class Group:
    """One sort of plugin."""

    #: Of its entry points.
    name: str
    #: What one is called in messages.
    noun: str
    #: What is wrong with an object of that name, as "is …; expected …"; None: nothing.
    fault: Callable[[str, object], str | None]
    #: Names that Homa has itself, which no plugin takes.
    taken: Callable[[], tuple[str, ...]] = tuple


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point of a group, not loaded."""

    group: Group
    point: EntryPoint
    #: Others of the same name.
    rivals: tuple[EntryPoint, ...] = ()

    @property
    def name(self) -> str:
        return self.point.name

    @property
    def distribution(self) -> str:
        """The package that brings it, and its version."""
        return _distribution(self.point)

    def __str__(self) -> str:
        return f"{self.group.noun} {self.name!r} of {self.distribution}"

    def load(self) -> object:
        """Its object.

        Raises:
            PluginError: it cannot be imported, is not what its group expects, was made for another version of the
                interface, or shares its name.
        """
        if self.rivals:
            others = ", ".join(map(_distribution, self.rivals))
            raise self.broken(f"has the name of another one, of {others}: uninstall all but one")
        if self.name in self.group.taken():
            raise self.broken("has the name of one of Homa's own: give it another")
        found = self._imported()
        if (wrong := self.group.fault(self.name, found)) is not None:
            raise self.broken(wrong)
        return found

    def load_for(self, policy: Policy) -> object:
        """Its object, for whoever asks for it by name.

        Raises:
            ConfigError: as `load`, or the policy is `none`.
        """
        if policy == "none":
            raise ConfigError(f'{self} is not loaded, since plugins = "none"')
        return self.load()

    def broken(self, why: str) -> PluginError:
        """The error that names it."""
        return PluginError(f"{self} {why}; mend or uninstall it")

    def _imported(self) -> object:
        try:
            found: object = self.point.load()
        # A module that ends the process at its import is as broken as one that raises.
        except (Exception, SystemExit) as error:
            raise self.broken(f"cannot be loaded from {self.point.value}: {type(error).__name__}: {error}") from error
        made_for = getattr(sys.modules.get(self.point.module), "HOMA_API", API_VERSION)
        if made_for != API_VERSION:
            raise self.broken(f"was made for version {made_for!r} of the interface, and this Homa has {API_VERSION}")
        return found


def entry_points(group: str) -> EntryPoints:
    """Those of installed packages. What finds them is imported here: whoever needs no plugin starts sooner."""
    from importlib import metadata

    return metadata.entry_points(group=group)


def plugins_of(group: Group) -> list[Plugin]:
    """All of a group, by name; one for each name."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group.name):
        same = by_name.setdefault(point.name, [])
        # A path that is searched twice finds the same package twice.
        if not any(_same(point, other) for other in same):
            same.append(point)
    return [Plugin(group, first, tuple(rivals)) for _, (first, *rivals) in sorted(by_name.items())]


def plugin_of(group: Group, name: str) -> Plugin | None:
    """The one of a name; None where no package brings it."""
    return next((plugin for plugin in plugins_of(group) if plugin.name == name), None)


def load_all(group: Group, policy: Policy, warn: Callable[[str], None]) -> Mapping[str, object]:
    """Every plugin of a group that can be used, by name.

    Args:
        warn: is told of each broken one that is skipped.

    Raises:
        PluginError: one is broken, and the policy is `fatal`.
    """
    return {} if policy == "none" else dict(_loaded(group, policy, warn))


def _loaded(group: Group, policy: Policy, warn: Callable[[str], None]) -> Iterator[tuple[str, object]]:
    for plugin in plugins_of(group):
        try:
            yield plugin.name, plugin.load()
        except PluginError as error:
            if policy == "fatal":
                raise
            warn(f'{error}. It is skipped; plugins = "fatal" makes it an error')


def expects_callable(expected: str) -> Callable[[str, object], str | None]:
    """What a group checks whose plugins are called."""
    return lambda _, found: None if callable(found) else f"is {found!r:.80}; expected {expected}"


def _same(one: EntryPoint, other: EntryPoint) -> bool:
    return (one.value, _distribution(one)) == (other.value, _distribution(other))


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "a package without a name"
