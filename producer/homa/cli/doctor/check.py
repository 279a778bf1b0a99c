"""What `homa doctor` found of one thing."""

from __future__ import annotations

from dataclasses import dataclass

from homa_shared.store.safety_checks import Level


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do about it (empty when all is well)."""

    level: Level
    name: str
    value: str
    what_to_do: str = ""
