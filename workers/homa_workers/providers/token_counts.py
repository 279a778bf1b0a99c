"""Numbers that a reply tells of what it took: read as they are, or known for what no reply can have.

A usage that makes no sense must not lose a reply: it stays unmetered, and its cost is unresolved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from homa_shared.calls.reply import Counts, Usage
from homa_shared.kinds.billing import Terms

#: Stands for a count that is not a number. With whatever it is added to, it stays above all that is believed
#: (`Usage.is_sane`).
IMPLAUSIBLE = 2**60
_MOST = 2**53
NOTHING: Mapping[str, Any] = {}
#: The parameters of a request that nobody knows.
NOTHING_ASKED = NOTHING


def tokens(told: object) -> int:
    """A number of tokens; IMPLAUSIBLE for anything but a whole number that a reply can have, none for nothing."""
    if told is None:
        return 0
    return told if type(told) is int and 0 <= told < _MOST else IMPLAUSIBLE


def parts_of(told: Iterable[tuple[str, object]]) -> Counts:
    """Parts of a total by genai-prices' names, those that are told."""
    return tuple(sorted((name, tokens(count)) for name, count in told if count))


def with_terms(usage: Usage, terms: Terms, fees: Counts, model: str = "") -> Usage:
    """Tokens with what else their bill tells: the terms that they were served on, work beside them, another model."""
    return replace(usage, terms=terms, fees=fees, model=model) if terms or fees or model else usage


def section(body: object, name: str) -> Mapping[str, Any]:
    """An object inside another one, as JSON has them; empty where it is something else."""
    found = body.get(name) if isinstance(body, dict) else None
    return found if isinstance(found, dict) else NOTHING
