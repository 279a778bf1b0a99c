"""Methods of one's own on a client: `homa.ext`.

    class Reports:
        def __init__(self, homa: Homa) -> None: ...
        def weekly(self) -> str: ...

    homa.ext[Reports].weekly()     # a type checker knows what that is, nothing needs to be installed
    homa.ext.reports.weekly()      # where a package brings it, by an entry point of the group `homa.client`

What is made is kept, one of each for a client. An entry point is a class or function that takes the client; one that
serves `AsyncHoma` too is a function with an overload for each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from homa_shared.plugins import Group, expects_callable, plugin_of, plugins_of

if TYPE_CHECKING:
    from homa.drivers.context import Context

ClientT = TypeVar("ClientT")
E = TypeVar("E")

#: A package's entry point of this group takes a client, and is its methods under the entry point's name.
EXTENSIONS = Group(
    "homa.client", "client extension", expects_callable("a class or function that takes a Homa or AsyncHoma")
)


class Extensions(Generic[ClientT]):
    """Extensions of one client, made at their first use.

    Args:
        client: what they are given.
        context: whose settings say whether plugins are used.
    """

    def __init__(self, client: ClientT, context: Context) -> None:
        self._client, self._context = client, context
        self._made: dict[object, Any] = {}

    def __getitem__(self, make: Callable[[ClientT], E]) -> E:
        """The extension that a class or function makes of this client."""
        if make not in self._made:
            # Of threads that ask at once, all get the one that was there first.
            self._made.setdefault(make, make(self._client))
        found: E = self._made[make]
        return found

    def __getattr__(self, name: str) -> Any:
        """The extension of an installed package, by its entry point's name.

        Raises:
            AttributeError: no package brings it.
            ConfigError: it cannot be loaded, or plugins are turned off.
        """
        if name.startswith("_"):
            raise AttributeError(name)
        plugin = plugin_of(EXTENSIONS, name)
        if plugin is None:
            known = ", ".join(plugin.name for plugin in plugins_of(EXTENSIONS)) or "none"
            raise AttributeError(f"no installed package brings the client extension {name!r}; there is: {known}")
        make = plugin.load_for(self._context.settings.plugins)
        assert callable(make), make  # the group saw to it
        return self[make]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(plugin.name for plugin in plugins_of(EXTENSIONS))})


class Extended:
    """The property of `Homa` and `AsyncHoma` that leads to extensions."""

    _context: Context

    @cached_property
    def ext(self) -> Extensions[Self]:
        """Methods of your own: `ext[Reports]` by their class, `ext.reports` by the name that a package gives them."""
        made: Extensions[Self] = self.__dict__.setdefault("_extensions", Extensions(self, self._context))
        return made
