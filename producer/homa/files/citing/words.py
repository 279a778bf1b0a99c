"""A text as its words, each with its place: the form in which quotes are looked for.

Two texts have the same words where they differ in nothing but white space, hyphens at line ends, quotation marks,
dashes, Unicode forms, case, punctuation, and Markdown's marks. A number is one word with its sign and separators;
currencies, percent signs and comparisons are words of their own. So what says another number never has the same words.

The form of a text is made in blocks, by functions that know no places. The places of words are found by doing one block
again, character by character, where they are asked for.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from typing import TypeAlias

#: Where something stands in a text: its first character, and the one behind its last.
Span: TypeAlias = tuple[int, int]

#: Characters of a block, about.
_BLOCK = 2048
#: Scripts without blanks between words, whose characters are words here: Thai to Tibetan, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
#: Signs that say something: percent, currencies, comparisons, arrows, operators.
_SIGNS = "$%&+<=>@¢-¥§°±×÷\u2030\u2031\u20a0-\u20cf\u2190-\u24ff\u2600-\u2bff"
#: Marks that do not: punctuation, bullets, boxes, what fonts have of their own.
_MARKS = (
    r"!\"#'()*,\-./:;?\[\\\]^_`{|}~¡¦¨«¯´¶·¸»¿\u0589\u05be\u05c3\u060c\u061b\u061f\u06d4\u0964\u0965"
    r"\u2000-\u202f\u2032-\u206f\u2500-\u25ff\u3000-\u303f\ue000-\uf8ff\ufffd"
)
_LETTER = rf"[^\s{_MARKS}{_SIGNS}{_UNSPACED}]"
_WORD = re.compile(rf"(?:(?<!{_LETTER})[-+](?=\d))?{_LETTER}+(?:(?<=\d)[.,:/'](?=\d){_LETTER}+)*|[{_SIGNS}{_UNSPACED}]")
#: A hyphen between letters, with the line's end behind it if there is one: the word is the same without it.
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?:[ \t]*\n\s*)?(?=[^\W\d_])")
#: Where a block may end: at white space, but not behind a hyphen; between characters that are words.
_BREAK = re.compile(rf"(?<=[^\s\-\u00ad\u2010-\u2015])\s|(?<=[{_UNSPACED}])(?=[{_UNSPACED}])(?![\u3099\u309a])")


class _PlainForms(dict[int, str]):
    """Each character without what its Unicode form adds to it."""

    def __missing__(self, code: int) -> str:
        found = self[code] = _plain_form(chr(code))
        return found


def _plain_form(character: str) -> str:
    if character.isascii():
        return character
    if character in "’‘‚‛′´‹›":
        return "'"
    if character in "“”„‟″«»":
        return '"'
    if character in "\u2028\u2029":
        return "\n"
    category = unicodedata.category(character)
    if category == "Cf":  # soft hyphens, zero-width blanks, marks of direction
        return ""
    if category == "Pd" or character == "−":
        return "-"
    if character == "⁄":
        return "/"
    form = unicodedata.normalize("NFKC", character)
    # The form of a spacing accent is a blank with an accent.
    return form if character.isspace() or not form.startswith(" ") else character


_PLAIN = _PlainForms()


def plain(text: str) -> str:
    """A text with plain quotation marks and dashes, and one form of each character."""
    return text if text.isascii() else unicodedata.normalize("NFC", text).translate(_PLAIN)


def normalised(text: str) -> str:
    """The same with hyphens at line ends undone, and one blank for each white space."""
    return " ".join(_HYPHEN.sub("", plain(text)).split())


def form_of(text: str) -> str:
    """The words of a short text, one blank between them."""
    return " ".join(_WORD.findall(_HYPHEN.sub("", plain(text)))).casefold()


def places_of(text: str) -> list[Span]:
    """Where each word of a short text stands."""
    found, origins = _traced(text)
    return [(origins[word.start()][0], origins[word.end() - 1][1]) for word in _WORD.finditer(found)]


def _traced(text: str) -> tuple[str, list[Span]]:
    """A text as `form_of` looks for words in it, and where each character of that comes from."""
    characters, origins = [], list[Span]()
    for start, end in _clusters(text):
        for character in plain(text[start:end]):
            characters.append(character)
            origins.append((start, end))
    joined = "".join(characters)
    kept: list[str] = []
    places: list[Span] = []
    at = 0
    for hyphen in _HYPHEN.finditer(joined):
        kept.append(joined[at : hyphen.start()])
        places += origins[at : hyphen.start()]
        at = hyphen.end()
    return "".join([*kept, joined[at:]]), places + origins[at:]


def _clusters(text: str) -> Iterator[Span]:
    """Characters, each with what may be composed with it: no composition goes beyond one."""
    if unicodedata.is_normalized("NFC", text):
        yield from ((at, at + 1) for at in range(len(text)))
        return
    start = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or not _attaches(text[at]):
            yield start, at
            start = at


def _attaches(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff"


class Words:
    """The words of a text of any length."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts, self._blocks = list[int](), list[Span]()
        parts, size = [], 1
        for block in _blocks(text):
            words = form_of(text[slice(*block)])
            if words:
                self._starts.append(size)
                self._blocks.append(block)
                parts.append(words)
                size += len(words) + 1
        #: All words, a blank before and behind each.
        self.form = f" {' '.join(parts)} "
        self._traced: dict[int, list[Span]] = {}

    def span(self, at: int, length: int) -> Span:
        """Where in the text the words stand that begin at a place of the form and are so many characters of it."""
        return self._place(at)[0], self._place(at + length - 1)[1]

    def _place(self, at: int) -> Span:
        """Where the word stands that a place of the form lies in."""
        number = bisect_right(self._starts, at) - 1
        start, end = self._blocks[number]
        if number not in self._traced:
            self._traced[number] = places_of(self._text[start:end])
        word = self.form.count(" ", self._starts[number], at)
        first, last = self._traced[number][word]
        return start + first, start + last


def _blocks(text: str) -> Iterator[Span]:
    """A text in blocks that cut no word but one of thousands of characters."""
    start = 0
    while start < len(text):
        end = start + 2 * _BLOCK
        if end < len(text):
            found = _BREAK.search(text, start + _BLOCK, end)
            end = end if found is None else found.end()
        yield start, min(end, len(text))
        start = end
