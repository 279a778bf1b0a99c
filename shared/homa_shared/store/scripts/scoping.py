"""Fragments of a script side by side: what only one of them names is in scope in it alone.

Lua allows 200 local variables in one function, and a script with all its fragments is one. So each fragment becomes a
block, in front of which the names are declared that others use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

_FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)
_VARIABLES = re.compile(r"^local (?!function\b)(\w+(?:, \w+)*)( =|$)", re.MULTILINE)
#: A name, or a part of a text.
WORD = re.compile(r"\w+")


def in_blocks(fragments: Sequence[str], body: str) -> str:
    """The code of fragments, in their order, and behind them that of a script."""
    words = [set(WORD.findall(part)) for part in (*fragments, body)]
    return (
        "".join(
            _block(fragment, set().union(*words[:place], *words[place + 1 :]))
            for place, fragment in enumerate(fragments)
        )
        + body
    )


def _block(fragment: str, used_elsewhere: set[str]) -> str:
    functions = _FUNCTION.findall(fragment)
    together = [found[1].split(", ") for found in _VARIABLES.finditer(fragment)]
    # Variables that one statement sets are declared in one place.
    shared = {name for names in together if not used_elsewhere.isdisjoint(names) for name in names}
    shared |= used_elsewhere.intersection(functions)
    own = dict.fromkeys((*functions, *chain.from_iterable(together)))
    declared = [name for name in own if name in shared]
    if len(declared) == len(own):
        return fragment
    inner = _FUNCTION.sub(lambda found: f"function {found[1]}" if found[1] in shared else found[0], fragment)
    inner = _VARIABLES.sub(lambda found: _set(found) if found[1].split(", ")[0] in shared else found[0], inner)
    head = f"local {', '.join(declared)}\n" if declared else ""
    return f"{head}do\n{inner}end\n"


def _set(found: re.Match[str]) -> str:
    return found[1] + found[2] if found[2] else ""
