"""Patterns of models' names, as settings group them: which one fits a name best."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def most_specific(name: str, patterns: Iterable[str]) -> str | None:
    """The pattern (`*`, `?`, `[…]`) that fits a name most closely, None when none does.

    The exact name comes first, then the pattern with most literal characters, so that `gpt-5-*` beats `gpt-*`.
    """
    wanted = name.lower()
    fitting = [pattern for pattern in patterns if pattern.lower() == wanted or fnmatchcase(wanted, pattern.lower())]
    return max(fitting, key=lambda pattern: (pattern.lower() == wanted, _literals(pattern), pattern), default=None)


def is_pattern(name: str) -> bool:
    """Whether a name may stand for several."""
    return any(character in "*?[" for character in name)


def _literals(pattern: str) -> int:
    return sum(character not in "*?[]" for character in pattern)
