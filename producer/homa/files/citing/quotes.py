"""Quotes found in a text, with their places and how exactly they were found.

A quote is found only as whole words, and only where all of its words follow one another. What else may differ is told:

exact        it stands there character by character
normalised   but for white space, hyphens at line ends, quotation marks, dashes, and Unicode forms
words        but for case, punctuation and Markdown's marks, too; the words and numbers are the same
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from homa.files.citing.search import first_places
from homa.files.citing.words import Words, form_of, normalised, places_of
from homa_shared.model.errors import InvalidRequest

#: Places of one quote that are looked at for the most exact one, and characters within which the next one may be.
_LOOKED_AT, _NEARBY = 8, 64 * 1024


class Match(IntEnum):
    """How exactly a quote was found."""

    EXACT = 0
    NORMALISED = 1
    WORDS = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class FoundQuote:
    """A quote, and where it stands."""

    #: As it was given.
    quote: str
    #: None: it is not in the text.
    match: Match | None = None
    #: Characters of the text from `start` on, up to and without `end`.
    start: int | None = None
    end: int | None = None
    #: What stands there.
    text: str | None = None
    #: The page on which it begins, from 1; None for a text without pages.
    page: int | None = None

    @property
    def verified(self) -> bool:
        """Whether the text has it."""
        return self.match is not None


def find_quotes(text: str, quotes: Iterable[str], *, pages: Sequence[int] = ()) -> list[FoundQuote]:
    """Quotes in the order in which they are given, each with its place in the text.

    The first place is taken, or a more exact one soon after it. The time goes with the length of the text and of all
    quotes, and not with their product.

    Args:
        quotes: what somebody says that the text says.
        pages: where in the text each page begins, in characters, as readers tell it (`Row.pages`).

    Raises:
        InvalidRequest: text or a quote is no text.
    """
    given = list(quotes)
    for each in (text, *given):
        if not isinstance(each, str):
            raise InvalidRequest(f"find_quotes got {each!r:.80}: expected a text, and quotes that are texts")
    words = Words(text)
    forms = {quote: form_of(quote) for quote in given}
    first = first_places(words.form, {f" {form} " for form in forms.values() if form})
    found = {quote: _found(text, words, quote, form, first) for quote, form in forms.items()}
    return [_on_page(found[quote], pages) for quote in given]


def _found(text: str, words: Words, quote: str, form: str, first: dict[str, int]) -> FoundQuote:
    at = first.get(f" {form} ")
    if at is None:
        return FoundQuote(quote)
    best: FoundQuote | None = None
    for _ in range(_LOOKED_AT):
        here = _at(text, quote, *words.span(at + 1, len(form)))
        if best is None or best.match is None or (here.match is not None and here.match < best.match):
            best = here
        if best.match is Match.EXACT or (at := words.form.find(f" {form} ", at + 1, at + _NEARBY)) < 0:
            break
    assert best is not None
    return best


def _at(text: str, quote: str, start: int, end: int) -> FoundQuote:
    """A quote at a place where its words stand, with the marks around it that are the quote's own."""
    places = places_of(quote)
    before, behind = quote[: places[0][0]].lstrip(), quote[places[-1][1] :].rstrip()
    marks_before, marks_behind = (
        text[max(0, start - len(before)) : start].lstrip(),
        text[end : end + len(behind)].rstrip(),
    )
    if normalised(marks_before) == normalised(before):
        start -= len(marks_before)
    if normalised(marks_behind) == normalised(behind):
        end += len(marks_behind)
    here = text[start:end]
    match = Match.EXACT if here == quote.strip() else Match.NORMALISED
    if match is Match.NORMALISED and normalised(here) != normalised(quote):
        match = Match.WORDS
    return FoundQuote(quote, match, start, end, here)


def _on_page(found: FoundQuote, pages: Sequence[int]) -> FoundQuote:
    if found.start is None or not pages:
        return found
    return FoundQuote(
        found.quote, found.match, found.start, found.end, found.text, max(1, bisect_right(pages, found.start))
    )
