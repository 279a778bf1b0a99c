"""Kinds that other packages bring."""

from __future__ import annotations

from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.profile_check import fault
from homa_shared.plugins import Plugin


def load_profile(plugin: Plugin) -> KindProfile:
    """What a plugin says of the kind that has its name.

    Raises:
        PluginError: it cannot be loaded, or is neither a sound profile of that name nor a function.
    """
    found = plugin.load()
    if isinstance(found, KindProfile):
        return found
    assert callable(found), found  # `fault_of` saw to it
    return KindProfile(plugin.name, adapter=found)


def fault_of(kind: str, found: object) -> str | None:
    """What is wrong with the object of a kind's entry point."""
    if isinstance(found, KindProfile):
        if found.name != kind:
            return f"has a profile that is named {found.name!r}; expected {kind!r}"
        wrong = fault(found)
        return None if wrong is None else f"is wrong: in its profile {wrong}"
    return None if callable(found) else f"is {found!r:.80}; expected a KindProfile, or a function that makes an adapter"
