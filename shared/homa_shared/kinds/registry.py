"""Kinds of providers by name: those that Homa brings, and those that installed packages add by an entry point.

A built-in kind is a module of `builtin`, whose name is the kind and whose PROFILE describes it. A kind of another
package is an entry point of the group `homa.providers`: its name is the kind, its object a `KindProfile`, or just the
function that makes an adapter, which then has the defaults of a kind that nobody described. Profiles are loaded when
first asked for, and packages are looked through only for a name that is not built in.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules

from homa_shared.kinds import builtin
from homa_shared.kinds.profile import KindProfile
from homa_shared.model.errors import ConfigError

#: Third parties add a kind by an entry point of this group.
ENTRY_POINT_GROUP = "homa.providers"
#: What is taken for granted of a kind that only a newer release or a package that is not installed here knows.
UNKNOWN_KIND = KindProfile("unknown", adapter="")


@cache
def builtin_kinds() -> tuple[str, ...]:
    """Kinds that Homa brings, by name."""
    return tuple(sorted(module.name for module in iter_modules(builtin.__path__)))


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
        found: KindProfile = import_module(f"{builtin.__name__}.{kind}").PROFILE
        return found
    points = entry_points(group=ENTRY_POINT_GROUP, name=kind)
    return _load(next(iter(points))) if points else UNKNOWN_KIND


def _load(point: EntryPoint) -> KindProfile:
    try:
        found = point.load()
    except Exception as error:
        raise _broken(point, f"{type(error).__name__}: {error}") from error
    if isinstance(found, KindProfile):
        if found.name != point.name:
            raise _broken(point, f"its profile is named {found.name!r}; expected {point.name!r}")
        return found
    if not callable(found):
        raise _broken(point, f"it is {found!r:.80}; expected a KindProfile, or a function that makes an adapter")
    return KindProfile(point.name, adapter=found)


def _broken(point: EntryPoint, why: str) -> ConfigError:
    package = f"package {point.dist.name} {point.dist.version}" if point.dist else "a package without a name"
    return ConfigError(
        f"kind {point.name!r} of {package} cannot be loaded: entry point {point.value!r} "
        f"of group {ENTRY_POINT_GROUP!r}: {why}. Mend or remove that package."
    )
