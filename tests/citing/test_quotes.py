"""Quotes found in a text: what counts as found, how exactly, and where."""

from __future__ import annotations

import random
import unicodedata

import pytest

import homa
from homa.files.citing.quotes import Match, find_quotes
from homa.files.citing.search import first_places
from homa.files.citing.words import form_of, places_of
from homa.files.readers.pages import paged

TEXT = "Invoice 7. The total of “EUR 1,200.50” is due on 3 May.\nIt does not in-\nclude postage – see page 2."


@pytest.mark.parametrize(
    ("quote", "match", "there"),
    [
        ("Invoice 7.", Match.EXACT, "Invoice 7."),
        ("is due on 3 May.\nIt does not", Match.EXACT, "is due on 3 May.\nIt does not"),
        ("is due on  3 May. It does not", Match.NORMALISED, "is due on 3 May.\nIt does not"),
        ('The total of "EUR 1,200.50" is', Match.NORMALISED, "The total of “EUR 1,200.50” is"),
        ("It does not include postage", Match.NORMALISED, "It does not in-\nclude postage"),
        ("postage - see page 2.", Match.NORMALISED, "postage – see page 2."),
        ("the total of EUR 1,200.50 is due", Match.WORDS, "The total of “EUR 1,200.50” is due"),
        ("**Invoice 7**", Match.WORDS, "Invoice 7"),
        ("…see page 2", Match.WORDS, "see page 2"),
    ],
)
def test_a_quote_is_found_and_said_how_exactly(quote: str, match: Match, there: str):
    (found,) = find_quotes(TEXT, [quote])
    assert (found.match, found.text) == (match, there)
    assert found.start is not None
    assert TEXT[found.start : found.end] == there


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ('" (Hello world', '"  (Hello world'),
        ("(Hello world", "\u200b\u200b(Hello world"),
        ("Hello world) .", "Hello world)  ."),
        ("Hello world)", "Hello world)\u200b\u200b"),
    ],
)
def test_marks_that_are_longer_in_the_quote_do_not_lead_out_of_the_text(text: str, quote: str):
    (found,) = find_quotes(text, [quote])
    assert (found.match, found.start, found.end, found.text) == (Match.NORMALISED, 0, len(text), text)


@pytest.mark.parametrize(
    "quote",
    [
        "EUR 1,200",  # cuts a number
        "EUR 1,200.5",
        "EUR 1200.50",  # the same number in another spelling is nothing that stands there
        "EUR -1,200.50",
        "USD 1,200.50",
        "does include postage",  # leaves out a word
        "It does not … postage",
        "nvoice 7",  # cuts a word
        "3 May It does not in",
        "",
        "…",
        "Rechnung 7",
    ],
)
def test_what_stands_nowhere_is_not_found(quote: str):
    (found,) = find_quotes(TEXT, [quote])
    assert (found.verified, found.start, found.end, found.text) == (False, None, None, None)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("it fell by -5 % in May", "by 5 %"),
        ("profit of 15 million", "5 million"),
        ("a value < 5 is good", "a value > 5 is good"),
        ("it costs $5", "it costs €5"),
        ("that is illegal", "legal"),
        ("done: ✗ tests", "done: ✓ tests"),
    ],
)
def test_another_number_sign_or_word_is_never_the_same(text: str, quote: str):
    assert not find_quotes(text, [quote])[0].verified


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_unicode_forms_of_one_text_are_the_same_and_places_are_those_of_the_text(form: str):
    text = unicodedata.normalize(form, "Vor: ﬁnale Größe № 5 — 漢字かが仮名, हिन्दी, Ǻ ½ über\u00adall.")
    for quote in ("finale Größe", "漢字か", "हिन्दी", "überall."):
        for asked in ("NFC", "NFD"):
            (found,) = find_quotes(text, [unicodedata.normalize(asked, quote)])
            assert found.verified, (form, quote)
            assert form_of(found.text or "") == form_of(quote)


def test_the_more_exact_of_two_places_is_taken():
    (found,) = find_quotes("TOTAL. And then: Total", ["Total"])
    assert (found.match, found.start) == (Match.EXACT, 17)


def test_pages_are_those_on_which_quotes_begin():
    text, starts = paged(["one two", "", "three four", "five"])
    found = homa.find_quotes(text, ["one", "three four", "five", "six", "two three"], pages=starts)
    assert [each.page for each in found] == [1, 3, 4, None, 1]
    assert [each.quote for each in found] == ["one", "three four", "five", "six", "two three"]


def test_what_is_no_text_is_told():
    with pytest.raises(homa.InvalidRequest, match="quotes that are texts"):
        homa.find_quotes("text", [7])  # type: ignore[list-item]


def test_places_of_words_are_the_same_in_blocks_and_one_by_one():
    draw = random.Random(5)
    alphabet = "aAbB1 2.-,:\n\u00ad\u0301éß½ﬁ’“–—…漢かが\u3099한\u1100\u1161\u11a8हि$€%\u200b|*_#()[]ไทย\u2028＋５"
    for _ in range(3000):
        text = "".join(draw.choices(alphabet, k=draw.randint(1, 40)))
        assert len(places_of(text)) == len(form_of(text).split(" ")) - (not form_of(text))


def test_quotes_are_found_wherever_a_long_text_has_them():
    draw = random.Random(7)
    words = [f"w{draw.randrange(400)}" + draw.choice(["", ",", ".", "-\nx", "é"]) for _ in range(40_000)]
    text = draw.choice(["", " \n"]) + " ".join(words)
    quotes = []
    for _ in range(300):
        at, count = draw.randrange(len(words)), draw.randint(1, 30)
        quotes.append(" ".join(words[at : at + count]))
    for found in find_quotes(text, quotes):
        assert found.match is Match.EXACT
        assert found.start is not None
        assert text[found.start : found.end] == found.quote
    assert not any(each.verified for each in find_quotes(text, [f"{quote} zz" for quote in quotes]))


def test_many_pieces_are_found_where_each_first_stands():
    draw = random.Random(9)
    text = "".join(draw.choices("ab ", k=5000))
    pieces = {text[at : at + draw.randint(1, 40)] for at in range(0, 4900, 11)}
    pieces |= {"".join(draw.choices("ab c", k=draw.randint(1, 30))) for _ in range(300)}
    assert first_places(text, pieces) == {piece: text.find(piece) for piece in pieces if piece in text}


def test_a_piece_that_a_text_nearly_has_everywhere_is_still_found_at_its_end():
    text = "ab cd " * 20_000 + "ef"
    pieces = {"ab cd " * count + "ef" for count in range(3, 43)}
    assert first_places(text, pieces) == {piece: len(text) - len(piece) for piece in pieces}
