"""Leaves functions of fragments out of a script that nothing in it calls.

The store sets a script up anew at each call, and making its functions is a good part of what a small one costs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from homa_shared.store.scripts.scoping import WORD

#: A function that begins a line: its body is indented, or stands on the same line.
_FUNCTION = re.compile(r"^local function (\w+)\(.*(?: end|\n(?:(?: .*)?\n)*end)\n", re.MULTILINE)


def without_unused(fragments: Sequence[str], body: str) -> list[str]:
    """The fragments of a script without the functions that neither they nor its body name."""
    parts = list(fragments)
    # What is left out may have been all that called others.
    while (pruned := _pruned(parts, body)) != parts:
        parts = pruned
    return parts


def _pruned(parts: list[str], body: str) -> list[str]:
    named = Counter(word for part in (*parts, body) for word in WORD.findall(part))
    return [_FUNCTION.sub(lambda found: _kept(found, named), part) for part in parts]


def _kept(found: re.Match[str], named: Counter[str]) -> str:
    """A function, or nothing where no word outside it is its name."""
    own = WORD.findall(found[0]).count(found[1])
    return found[0] if named[found[1]] > own else ""
