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
            return f"{self.name} is added: {words(self.new)}"
        if self.new is None:
            return f"{self.name} is removed: it was {words(self.old)}"
        return f"{self.name} changes from {words(self.old)} to {words(self.new)}"


def diff(old: Fleet, new: Fleet) -> list[Change]:
    """What `homa apply` would change, in the order of the settings' names; versions are not compared."""
    return _differences((), old.content(), new.content())


def not_in_force(fleet: Fleet, mine: Fleet) -> list[Change]:
    """What a process's own settings say otherwise than the fleet's, old being the fleet's.

    What only the fleet sets is left out: a machine may have the keys alone, and need not know every budget.
    """
    return [change for change in diff(fleet, mine) if change.new is not None]


def drift(fleet: Fleet, mine: Fleet) -> str | None:
    """A sentence about settings that are not in force, for who has just changed a file; None where all are."""
    changes = not_in_force(fleet, mine)
    if not changes:
        return None
    first, more = changes[0], f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    stands = "does not have it" if first.old is None else f"has {words(first.old)}"
    return (
        f"settings here are not in force: {first.name} is {words(first.new)} here, the fleet (version {fleet.version}) "
        f"{stands}{more}; "
        "`homa apply --diff` shows them, `homa apply` puts them in force"
    )


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


def compared(fleet: Fleet, mine: Fleet) -> list[Change]:
    """Every setting that the fleet has or that differs here, old being the fleet's, in the order of their names."""
    differing = {change.name: change for change in diff(fleet, mine)}
    # Against an empty fleet everything that is set is a difference.
    standing = {change.name: Change(change.name, change.new, change.new) for change in diff(type(fleet)(), fleet)}
    # An entry is told in one piece, a difference by its fields: what is under a differing name is not told twice.
    whole = {name: one for name, one in standing.items() if not any(d.startswith(f"{name}.") for d in differing)}
    return [one for _, one in sorted({**whole, **differing}.items())]


def words(value: Any) -> str:
    """A value of a setting for people; nothing for one that is not set."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {words(item)}" for key, item in value.items()) or "defaults only"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " then ".join(map(words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
