"""What differs between two versions of the fleet's settings, for who is about to write one over the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homa_shared.settings.toml_lines import dotted

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two fleets."""

    #: Dotted name of the setting, or of the whole entry where that is new or gone.
    name: str
    #: Values as JSON holds them; None: not set.
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.name} is added: {_words(self.new)}"
        if self.new is None:
            return f"{self.name} is removed: it was {_words(self.old)}"
        return f"{self.name} changes from {_words(self.old)} to {_words(self.new)}"


def diff(old: Fleet, new: Fleet) -> list[Change]:
    """What `homa apply` would change, in the order of the settings' names; versions are not compared."""
    return _differences((), old.content(), new.content())


def _differences(path: tuple[str, ...], old: Any, new: Any) -> list[Change]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted(old.keys() | new.keys())
        return [change for name in names for change in _differences((*path, name), old.get(name), new.get(name))]
    # Whole sections are split into their entries, entries are told in one piece.
    if len(path) <= 1 and (old is None or new is None) and isinstance(old or new, Mapping):
        return _differences(path, old or {}, new or {})
    return [Change(dotted(path), old, new)]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items()) or "defaults only"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " then ".join(map(_words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
