"""A thousand quotes found in fifty megabytes of text, and that the time does not go with the number of quotes."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

from benchmarks.result import Figure, at_most
from homa import find_quotes

MEGABYTES, QUOTES = 50, 1000
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def figures() -> Iterator[Figure]:
    draw = random.Random(1)
    vocabulary = ["".join(draw.choices(_LETTERS, k=draw.randint(2, 10))) for _ in range(30_000)]
    # Words are as frequent as in real texts (Zipf).
    weights = [1 / (rank + 1) for rank in range(len(vocabulary))]
    words = draw.choices(vocabulary, weights, k=MEGABYTES * 10**6 // 7)
    text = " ".join(words)
    there = [_passage(draw, words) for _ in range(QUOTES // 2)]
    nowhere = [" ".join(draw.choices(vocabulary, weights, k=12)) for _ in range(QUOTES // 2)]
    taken_s, found = _taken_s(text, [*there, *nowhere])
    tenth_s, _ = _taken_s(text, [*there[: QUOTES // 20], *nowhere[: QUOTES // 20]])
    told = f"{len(text) / 1e6:.0f} MB, {QUOTES} quotes, {found} of them there"
    yield at_most("finding quotes in a long text, CPU s", taken_s, 30, 15, told)
    yield at_most(
        "the same beside a tenth of the quotes", taken_s / tenth_s, 3, 2, "10 would be their product", "{:.1f}"
    )


def _passage(draw: random.Random, words: Sequence[str]) -> str:
    at = draw.randrange(len(words) - 30)
    return " ".join(words[at : at + draw.randint(3, 30)])


def _taken_s(text: str, quotes: Sequence[str]) -> tuple[float, int]:
    before = time.process_time()
    found = sum(each.verified for each in find_quotes(text, quotes))
    return time.process_time() - before, found
