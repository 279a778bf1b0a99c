"""Kinds of providers by name: those that Homa brings, and those that installed packages add by an entry point.

A built-in kind is a module of `builtin`, whose name is the kind and whose PROFILE describes it. A kind of another
package is an entry point of the group `homa.providers`: its name is the kind, its object a `KindProfile`, or just the
function that makes an adapter, which then has the defaults of a kind that nobody described. Packages are looked through
only for a name that is not built in.

The light client imports this module at once, and no profile before its first job: what describes kinds is imported
where it is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from homa_shared.plugins import Group, plugin_of, plugins_of

if TYPE_CHECKING:
    from homa_shared.kinds.profile import KindProfile

#: Third parties add a kind by an entry point of this group.
ENTRY_POINT_GROUP = "homa.providers"
_BUILTIN = "homa_shared.kinds.builtin"


def _fault(kind: str, found: object) -> str | None:
    from homa_shared.kinds.packages import fault_of

    return fault_of(kind, found)


@cache
def builtin_kinds() -> tuple[str, ...]:
    """Kinds that Homa brings, by name."""
    from pkgutil import iter_modules

    return tuple(sorted(module.name for module in iter_modules(import_module(_BUILTIN).__path__)))


KINDS = Group(ENTRY_POINT_GROUP, "kind of provider", _fault, builtin_kinds)


def known_kinds() -> tuple[str, ...]:
    """Every kind that a provider may have in this environment: those of Homa, then those of other packages."""
    return tuple(dict.fromkeys([*builtin_kinds(), *(plugin.name for plugin in plugins_of(KINDS))]))


def is_kind(name: str) -> bool:
    """Whether a provider may be of this kind here."""
    return name in builtin_kinds() or plugin_of(KINDS, name) is not None


@cache
def profile_of(kind: str) -> KindProfile:
    """What is known of a kind; of one that is not installed here, UNKNOWN_KIND.

    Raises:
        ConfigError: its package is installed and brings no profile that can be loaded.
    """
    if kind in builtin_kinds():
        found: KindProfile = import_module(f"{_BUILTIN}.{kind}").PROFILE
        return found
    from homa_shared.kinds.packages import load_profile
    from homa_shared.kinds.profile import UNKNOWN_KIND

    plugin = plugin_of(KINDS, kind)
    return UNKNOWN_KIND if plugin is None else load_profile(plugin)


def package_of(kind: str) -> str:
    """Name and version of the package that brings a kind, for messages; empty for a built-in one."""
    if kind in builtin_kinds():
        return ""
    found = plugin_of(KINDS, kind)
    return found.distribution if found is not None and found.point.dist is not None else ""
