"""Where a text may be cut, the best places first: headings, paragraphs, lines and sentences, words, characters.

Of several places of one kind it is their own words that decide (a checksum of what follows), not how far they are from
the beginning: behind an edit the same places are soon found again, and what follows is cut as it was before. That is
content-defined chunking (Muthitacharoen, Chen, Mazières: A Low-bandwidth Network File System, SOSP 2001).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from zlib import crc32

from homa.files.units.headings import Heading

#: Each takes time in proportion to the text: a run of marks is looked at from its first one alone.
_PARAGRAPH = re.compile(r"\n[^\S\n]*+\n\s*+")
#: Ends of sentences in scripts with spaces, and in those without; a line's end is one, too.
_SENTENCE = re.compile(r"(?<![.!?…؟۔।॥։።])[.!?…؟۔।॥։።]++[\"'”’»)\]]*+\s++|[。！？｡．]++[\"'”’」』）】》]*+\s*+|\n\s*+")
_WORD = re.compile(r"\s++|[，、；：・]")
#: Best kinds of places first, below headings.
_KINDS = (_PARAGRAPH, _SENTENCE, _WORD)
#: Characters behind a place by which it is told from others of its kind.
_TOLD_BY = 80
#: Marks of one character that are looked through; a text of nothing but marks is cut somewhere.
_MOST_MARKS = 64
_JOINERS = "\u200c\u200d"


def best_cut(text: str, headings: Sequence[Heading], start: int, most: int) -> int:
    """Where to cut the part of a text that begins at `start` and ends at `most` at the latest.

    The best kind of place in its second half, or a heading in its second quarter.
    """
    middle, quarter = start + (most - start) // 2, start + (most - start) // 4
    for low in (middle, quarter):
        begins = headings[bisect_right(headings, low, key=_start) : bisect_right(headings, most, key=_start)]
        if begins:
            highest = min(each.level for each in begins)
            return _told(text, (each.start for each in begins if each.level == highest))
    for kind in _KINDS:
        ends = (match.end() for match in kind.finditer(text, middle, most))
        if found := [at for at in ends if at > middle and not text[at].isspace()]:
            return _told(text, found)
    return max(character_start(text, most), character_end(text, start + 1))


def next_start(text: str, least: int, most: int) -> int:
    """The first place in [least, most) at which a sentence or else a word begins; else a character."""
    for kind in (_SENTENCE, _WORD):
        match = kind.search(text, max(least - 1, 0), most)
        if match is not None and least <= match.end() < most:
            return match.end()
    return min(character_end(text, least), most)


def character_start(text: str, at: int) -> int:
    """The place itself, or the last one before it that does not cut what readers see as one character (UAX #29)."""
    return next((back for back in range(at, max(at - _MOST_MARKS, -1), -1) if not _joined(text, back)), at)


def character_end(text: str, at: int) -> int:
    """The place itself, or the first one behind it that does not cut a character."""
    return next((ahead for ahead in range(at, at + _MOST_MARKS) if not _joined(text, ahead)), at)


def _start(heading: Heading) -> int:
    return heading.start


def _told(text: str, places: Iterable[int]) -> int:
    """The place whose words have the least checksum; of equal ones the last."""
    return min(places, key=lambda at: (crc32(text[at : at + _TOLD_BY].encode("utf-8", "replace")), -at))


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and behind a place are one to whoever reads them."""
    if not 0 < at < len(text):
        return False
    before, behind = text[at - 1], text[at]
    if behind < "\u0300":
        return before == "\r" and behind == "\n"
    if unicodedata.category(behind) in ("Mn", "Mc", "Me") or behind in _JOINERS or behind in "\u0e33\u0eb3":
        return True
    if before == "\u200d" or "\U0001f3fb" <= behind <= "\U0001f3ff" or "\U000e0020" <= behind <= "\U000e007f":
        return True
    if "\u1160" <= behind <= "\u11ff" and "\u1100" <= before <= "\u11ff":
        return True
    if "\udc00" <= behind <= "\udfff" and "\ud800" <= before <= "\udbff":
        return True
    return _is_flag(behind) and _flags_before(text, at) % 2 == 1


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    """Half flags in a row before a place: two are one."""
    first = at
    while first > 0 and at - first < _MOST_MARKS and _is_flag(text[first - 1]):
        first -= 1
    return at - first
