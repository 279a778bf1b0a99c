"""Chunks: parts of a text of bounded size, cut where it falls apart by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from homa.files.units.boundaries import best_cut, character_start, next_start
from homa.files.units.headings import Heading
from homa.files.units.measure import Measure


class Span(NamedTuple):
    """A part of a text, without blanks around it."""

    number: int
    start: int
    end: int
    #: Where it begins to say what the part before it did not.
    begin: int


def chunks(text: str, found: Sequence[Heading], measure: Measure, tokens: int, overlap: int = 0) -> Iterator[Span]:
    """Parts of at most so many tokens; a single character that has more is one.

    Args:
        found: the text's headings.
        overlap: most tokens of the part before that each begins with.
    """
    begin, end, number = trimmed(text, 0, len(text))[0], len(text.rstrip()), 0
    while begin < end:
        number += 1
        start = next_start(text, measure.tail(text, begin, overlap), begin) if overlap and number > 1 else begin
        most = max(measure.longest(text, start, tokens), begin + 1)
        cut = end if most >= end else _cut(text, found, measure, tokens, start=start, begin=begin, most=most)
        yield Span(number, start, trimmed(text, start, cut)[1], begin)
        begin = trimmed(text, cut, end)[0]


def _cut(
    text: str, found: Sequence[Heading], measure: Measure, tokens: int, *, start: int, begin: int, most: int
) -> int:
    """The best place, at which the part is no longer than it may be: what ends within a word may take more tokens."""
    cut = best_cut(text, found, begin, most)
    while measure(text[start:cut].rstrip()) > tokens and (before := character_start(text, cut - 1)) > begin:
        cut = before
    return cut


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The same part without blanks around it."""
    end = min(end, len(text))
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return min(start, end), end
