"""Kinds that other packages bring."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.profile_check import fault
from homa_shared.model.errors import ConfigError


def load_profile(point: EntryPoint) -> KindProfile:
    """What an entry point says of the kind that has its name.

    Raises:
        ConfigError: it cannot be loaded, or is neither a sound profile of that name nor a function.
    """
    try:
        found = point.load()
    except Exception as error:
        raise _broken(point, f"{type(error).__name__}: {error}") from error
    if isinstance(found, KindProfile):
        if found.name != point.name:
            raise _broken(point, f"its profile is named {found.name!r}; expected {point.name!r}")
        if (wrong := fault(found)) is not None:
            raise _broken(point, f"in its profile {wrong}")
        return found
    if not callable(found):
        raise _broken(point, f"it is {found!r:.80}; expected a KindProfile, or a function that makes an adapter")
    return KindProfile(point.name, adapter=found)


def _broken(point: EntryPoint, why: str) -> ConfigError:
    package = f"package {point.dist.name} {point.dist.version}" if point.dist else "a package without a name"
    return ConfigError(
        f"kind {point.name!r} of {package} cannot be loaded: entry point {point.value!r} "
        f"of group {point.group!r}: {why}. Mend or remove that package."
    )
