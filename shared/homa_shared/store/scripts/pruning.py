"""Leaves functions of fragments out of a script that nothing in it calls.

The store sets a script up anew at each call, and making its functions is a good part of what a small one costs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from homa_shared.store.scripts.scoping import WORD

#: A function that begins a line: its body is indented, or stands on the same line.
_FUNCTION = re.compile(r"^local function (\w+)\(.*(?: end|\n(?:(?: .*)?\n)*end)\n", re.MULTILINE)


class _Function(NamedTuple):
    """A function of a fragment."""

    name: str
    text: str
    #: How often each word stands in it.
    words: Counter[str]


def without_unused(fragments: Sequence[str], body: str) -> list[str]:
    """The fragments of a script without the functions that neither they nor its body name."""
    named = Counter(WORD.findall(body))
    for part in fragments:
        named.update(_words(part))
    left = [function for part in fragments for function in _functions(part)]
    unused: set[str] = set()
    # What is left out may have been all that called others.
    while found := [function for function in left if named[function.name] <= function.words[function.name]]:
        for function in found:
            named.subtract(function.words)
            unused.add(function.text)
        left = [function for function in left if function.text not in unused]
    return [_FUNCTION.sub(lambda found: "" if found[0] in unused else found[0], part) for part in fragments]


# A process puts several scripts together, of the same fragments, before its first job.


@cache
def _words(part: str) -> Counter[str]:
    return Counter(WORD.findall(part))


@cache
def _functions(part: str) -> tuple[_Function, ...]:
    return tuple(_Function(found[1], found[0], Counter(WORD.findall(found[0]))) for found in _FUNCTION.finditer(part))
