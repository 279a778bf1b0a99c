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
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homa_shared.kinds.profile import KindProfile

#: Third parties add a kind by an entry point of this group.
ENTRY_POINT_GROUP = "homa.providers"
_BUILTIN = "homa_shared.kinds.builtin"


@cache
def builtin_kinds() -> tuple[str, ...]:
    """Kinds that Homa brings, by name."""
    from pkgutil import iter_modules

    return tuple(sorted(module.name for module in iter_modules(import_module(_BUILTIN).__path__)))


def known_kinds() -> tuple[str, ...]:
    """Every kind that a provider may have in this environment: those of Homa, then those of other packages."""
    others = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}.difference(builtin_kinds())
    return *builtin_kinds(), *sorted(others)


def is_kind(name: str) -> bool:
    """Whether a provider may be of this kind here."""
    return name in builtin_kinds() or bool(entry_points(group=ENTRY_POINT_GROUP, name=name))


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

    points = entry_points(group=ENTRY_POINT_GROUP, name=kind)
    return load_profile(next(iter(points))) if points else UNKNOWN_KIND


def package_of(kind: str) -> str:
    """Name and version of the package that brings a kind, for messages; empty for a built-in one."""
    if kind in builtin_kinds():
        return ""
    found = next(iter(entry_points(group=ENTRY_POINT_GROUP, name=kind)), None)
    return f"{found.dist.name} {found.dist.version}" if found is not None and found.dist is not None else ""
