"""Units that a document has by itself: its pages, and its sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from homa.files.units.chunks import Span, trimmed
from homa.files.units.headings import Heading


def pages(text: str, starts: Sequence[int], shown: Sequence[int] = ()) -> Iterator[Span]:
    """The pages of a document under their numbers; those that hold nothing are left out.

    Args:
        starts: where each begins.
        shown: numbers of pages that have an image.
    """
    for number, (start, end) in enumerate(pairwise([*starts, len(text)]), 1):
        first, last = trimmed(text, start, end)
        if first < last or number in shown:
            yield Span(number, first, last, start)


def sections(text: str, found: Sequence[Heading]) -> Iterator[Span]:
    """What stands under each heading, and what stands before the first.

    A heading with nothing under it belongs to the next section, at the end to the one before.
    """
    bounds = [0, *(heading.start for heading in found), len(text)]
    bodies = [0, *(heading.end for heading in found)]
    begins: list[int] = []
    waiting: int | None = None
    for (start, end), body in zip(pairwise(bounds), bodies, strict=True):
        begin = start if waiting is None else waiting
        waiting = begin if not text[body:end].strip() else None
        if waiting is None:
            begins.append(begin)
    if not begins:
        begins = [0]
    for number, (start, end) in enumerate(pairwise([*begins, len(text)]), 1):
        first, last = trimmed(text, start, end)
        if first < last:
            yield Span(number, first, last, start)
