"""Documents cut into pages, sections and chunks: where, how large, and what is told of each."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from homa.cli.unit_options import UNITS
from homa.files import BadRow, ReadOptions, Row, Skipped, open_inputs
from homa.files.units.boundaries import character_end, character_start
from homa.files.units.chunks import chunks
from homa.files.units.cutting import in_units
from homa.files.units.headings import heading_path, headings
from homa.files.units.measure import MARGIN, Measure
from homa.files.units.unit import CHUNK, KINDS, PAGE, SECTION, Units, unit_in, with_columns
from homa_shared.calls.tokens import count
from homa_shared.model.errors import InvalidRequest
from tests.readers import samples

EXACT = Measure("gpt-4o")


def row(text: str | None, path: str = "docs/a.md", **more: Any) -> Row:
    return Row(path, path, None, text, more.pop("fields", {}), **more)


def cut(given: Row, units: Units, measure: Measure = EXACT, skipped: Skipped | None = None) -> list[Row]:
    found = list(in_units([given], units, measure, skipped))
    assert all(isinstance(each, Row) for each in found), found
    return [each for each in found if isinstance(each, Row)]


def texts(text: str, tokens: int, overlap: int = 0, measure: Measure = EXACT) -> list[str]:
    return [text[span.start : span.end] for span in chunks(text, headings(text), measure, tokens, overlap)]


def prose(seed: int = 1, paragraphs: int = 60) -> str:
    draw = random.Random(seed)
    words = ["tea", "boxes", "order", "paid", "Monday", "invoice", "harbour", "quality", "never", "always", "seller"]

    def sentence() -> str:
        return " ".join(draw.choice(words) for _ in range(draw.randint(4, 16))).capitalize() + "."

    return "\n\n".join(" ".join(sentence() for _ in range(draw.randint(2, 8))) for _ in range(paragraphs))


def test_the_flags_kinds_are_the_units_kinds() -> None:
    assert tuple(UNITS) == KINDS


def test_chunks_are_no_longer_than_asked_and_lose_nothing() -> None:
    text = prose()
    found = texts(text, 120)
    assert len(found) > 10
    assert max(count(each, "gpt-4o").tokens for each in found) <= 120
    assert "".join("".join(found).split()) == "".join(text.split())


def test_an_estimated_chunk_leaves_a_margin() -> None:
    measure, text = Measure("claude-haiku-5-5"), prose()
    assert not measure.exact
    found = texts(text, 120, measure=measure)
    assert max(count(each, "claude-haiku-5-5").tokens for each in found) * MARGIN <= 120
    assert measure("word") == 2


def test_a_chunk_ends_at_a_heading_before_a_paragraph_and_at_a_sentence_before_a_word() -> None:
    body = "One two three four five six seven. " * 6
    text = f"# A\n\n{body}\n\n{body}\n\n# B\n\n{body}"
    first, second = texts(text, 130)
    assert first.startswith("# A")
    assert second.startswith("# B")
    parts = texts(body * 4, 50)
    assert len(parts) >= 4
    assert all(part.startswith("One") and part.endswith("seven.") for part in parts)
    words = texts("word " * 200, 50)
    assert {word for part in words for word in part.split()} == {"word"}


def test_an_edit_changes_the_chunks_around_it_alone() -> None:
    text = prose(paragraphs=200)
    edited = text[:600] + " A sentence that was not there before. " + text[600:]
    before, after = texts(text, 150), texts(edited, 150)
    assert len(after) > 40
    assert len(set(after) - set(before)) <= 4


def test_what_is_cut_hangs_on_the_document_alone() -> None:
    measure, text = Measure("gpt-4o"), prose(3)
    fresh = texts(text, 100, measure=measure)
    texts("这是一个很长的中文文本。" * 500, 100, measure=measure)
    assert texts(text, 100, measure=measure) == fresh


def test_a_chunk_repeats_the_end_of_the_one_before() -> None:
    text = prose()
    spans = list(chunks(text, [], EXACT, 120, 30))
    for before, span in pairwise(spans):
        assert before.begin < span.start < span.begin
        assert EXACT(text[span.start : span.begin]) <= 31  # with the blank before what follows
        assert EXACT(text[span.start : span.end]) <= 120
        assert text[span.start].isupper()


@pytest.mark.parametrize(
    ("text", "most"),
    [
        pytest.param("a" * 1_000_000, 500, id="one word of a million characters"),
        pytest.param("这是一个很长的中文文本没有空格只有句号。" * 2000, 500, id="Chinese"),
        pytest.param("هذا نص عربي طويل جدا؟ وهذه جملة أخرى. " * 1000, 500, id="Arabic"),
        pytest.param("นี่คือข้อความภาษาไทยที่ไม่มีช่องว่าง" * 1000, 500, id="Thai"),
        pytest.param("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 3000, 500, id="families"),
        pytest.param("\U0001f1e9\U0001f1ea" * 3000, 500, id="flags"),
        pytest.param("e\u0301" * 5000, 500, id="accents"),
        pytest.param("a\ud83d" * 500, 100, id="half surrogates"),
    ],
)
def test_text_without_places_to_cut_is_cut_between_characters(text: str, most: int) -> None:
    found = texts(text, most)
    assert "".join(found).replace(" ", "") == text.replace(" ", "").rstrip()
    assert max(map(EXACT, found)) <= most
    assert len(found) < 2.6 * EXACT(text) / most + 1
    at = 0
    for part in found[:-1]:
        at = text.index(part, at) + len(part)
        assert character_start(text, at) == at == character_end(text, at)


def test_chinese_is_cut_at_ends_of_sentences() -> None:
    found = texts("这是一个很长的中文文本没有空格只有句号。" * 100, 60)
    assert len(found) > 10
    assert all(part.endswith("。") for part in found)


def test_one_character_of_more_tokens_than_a_chunk_may_have_stays_whole() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert texts(family * 20, 1) == [family] * 20


def test_sections_are_what_stands_under_a_heading() -> None:
    text = "Before.\n\n# Contract\n\n## Parties\n\nA and B.\n\n```\n# no heading\n```\n\n"
    text += "## Price ##\n\n7\n\nTerms\n=====\n\nnone\n"
    found = cut(row(text), Units(SECTION))
    assert [(each.custom_id, each.fields["heading"]) for each in found] == [
        ("docs/a.md#s1", ""),
        ("docs/a.md#s2", "Contract"),
        ("docs/a.md#s3", "Contract > Price"),
        ("docs/a.md#s4", "Terms"),
    ]
    assert found[1].text == "# Contract\n\n## Parties\n\nA and B.\n\n```\n# no heading\n```"
    assert all(text[each.fields["start"] : each.fields["end"]] == each.text for each in found)


@pytest.mark.parametrize("text", ["# A\n\n## B\n\n### C\n", "# A", "\n\n# A\n# B\n"])
def test_a_document_of_headings_alone_is_one_section(text: str) -> None:
    (found,) = cut(row(text), Units(SECTION))
    assert found.text == text.strip()


def test_front_matter_tables_and_comments_are_no_headings() -> None:
    assert headings("---\ntitle: x\n---\n\na | b\n--- | ---\n1 | 2\n") == []
    assert headings("# comment\nx = 1\n", "a.py") == []
    assert [each.path for each in headings("# Title\ntext", "a.txt")] == ["Title"]
    assert [each.path for each in headings("# C#\n## Both ##\n")] == ["C#", "C# > Both"]
    assert headings("```\n# no\n\nneither\n=======\n```\n") == []
    found = headings("# A\n## B\n# C\n## D\n")
    assert heading_path(found, len("# A\n## B\n# C\n## D\n")) == "C > D"


def test_pages_keep_their_numbers_and_blank_ones_are_told() -> None:
    skipped = Skipped()
    text = "One\n\n\n\nThree"
    found = cut(row(text, "a.pdf", pages=(0, 5, 7)), Units(PAGE), skipped=skipped)
    assert [(each.custom_id, each.text, each.fields["page"]) for each in found] == [
        ("a.pdf#p1", "One", 1),
        ("a.pdf#p3", "Three", 3),
    ]
    assert skipped.remarks == ["a.pdf: nothing is asked about page 2, without text"]


@pytest.mark.parametrize(("kind", "what"), [(PAGE, "has no pages: it is one"), (SECTION, "has no headings")])
def test_a_document_without_such_units_is_one_and_that_is_told(kind: str, what: str) -> None:
    skipped = Skipped()
    (found,) = cut(row("words"), Units(kind), skipped=skipped)
    assert (found.custom_id, found.text) == (f"docs/a.md#{kind[0]}1", "words")
    assert what in skipped.remarks[0]


def test_a_chunk_says_on_which_page_it_begins_and_where_its_pages_do() -> None:
    pages = [prose(seed, 6) for seed in range(3)]
    starts = (0, len(pages[0]) + 2, len(pages[0]) + len(pages[1]) + 4)
    text = "\n\n".join(pages)
    for each in cut(row(text, "a.pdf", pages=starts), Units(CHUNK, 100)):
        assert each.unit is not None
        start = each.unit["start"]
        assert each.unit["page"] == sum(begin <= start for begin in starts)
        assert each.pages[0] == 0
        assert all(start + begin in starts for begin in each.pages[1:])


def test_an_image_goes_with_its_page() -> None:
    scanned = row("Words", "a.pdf", pages=(0, 7), images=(b"png",), image_pages=(2,))
    first, second = cut(scanned, Units(PAGE))
    assert (first.images, second.images, second.text, second.fields["page"]) == ((), (b"png",), "", 2)
    (whole,) = cut(scanned, Units(CHUNK))
    assert whole.images == (b"png",)
    photos = row("", "a.tiff", pages=(0, 0), images=(b"1", b"2"), image_pages=(1, 2))
    assert [each.images for each in cut(photos, Units(PAGE))] == [(b"1",), (b"2",)]


def test_rows_are_cut_by_their_text_and_keep_their_columns() -> None:
    given = Row("7", "t.csv", 3, "One.\n\nTwo.", {"id": 7, "text": "One.\n\nTwo.", "page": "left"})
    found = cut(given, Units(CHUNK, 3))
    assert [(each.custom_id, each.fields["text"], each.fields["page"], each.fields["unit"]) for each in found] == [
        ("7#c1", "One.", "left", 1),
        ("7#c2", "Two.", "left", 2),
    ]
    assert found[1].fields["unit_page"] is None
    assert unit_in(found[1].fields) == found[1].unit


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (Row("7", "t.csv", 3, None, {"body": "x"}), "has no field 'text': --unit chunk cuts documents"),
        (Row("7", "b.jsonl", 3, None, {}, {"messages": []}), "is a line of a batch file: --unit chunk"),
    ],
)
def test_a_row_with_nothing_to_cut_is_told(given: Row, why: str) -> None:
    (found,) = in_units([given], Units(CHUNK), EXACT)
    assert isinstance(found, BadRow)
    assert (found.custom_id, why in found.error) == ("7", True)


def test_an_input_that_is_called_as_a_unit_of_another_has_an_id_of_its_own() -> None:
    bad = BadRow("a.md#c1", "a.md#c1", None, "is binary")
    found = list(in_units([row("words", "a.md"), bad], Units(CHUNK), EXACT))
    assert [each.custom_id for each in found] == ["a.md#c1", "a.md#c1 (input)"]


def test_an_empty_document_is_one_unit() -> None:
    for units in (Units(PAGE), Units(SECTION), Units(CHUNK)):
        (found,) = cut(row("  "), units)
        assert found.unit is not None
        assert (found.unit["start"], found.unit["end"]) == (0, 2)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"kind": "sentence"}, "expected document, page, section, chunk"),
        ({"kind": CHUNK, "tokens": 0}, "--chunk-tokens is 0: expected 1 to 1,000,000"),
        ({"kind": CHUNK, "tokens": 10, "overlap": 10}, "--overlap is 10: expected 0 to 5"),
        ({"kind": CHUNK, "tokens": 10, "overlap": -1}, "--overlap is -1: expected 0 to 5"),
    ],
)
def test_units_that_make_no_sense_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        Units(**given)


def test_columns_tell_of_a_unit_or_of_none() -> None:
    unit = {"unit": 1, "file": "a", "page": None, "start": 0, "end": 3, "heading": ""}
    assert unit_in(with_columns({"start": "now"}, unit)) == unit
    assert unit_in({"unit": "kg", "page": 3}) == {}


def test_a_pdf_is_read_into_pages_with_their_images(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(samples.scan(2))
    rows = open_inputs([str(tmp_path / "a.pdf")], options=ReadOptions())
    found = list(in_units(rows, Units(PAGE), EXACT))
    assert [(each.custom_id, len(each.images)) for each in found if isinstance(each, Row)] == [
        ("a.pdf#p1", 1),
        ("a.pdf#p2", 1),
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("# " + "#" * 400_000 + "a", id="marks of a heading"),
        pytest.param("." * 400_000 + "a", id="dots"),
        pytest.param("\n \n".join(["x"] * 100_000), id="blank lines"),
        pytest.param("## a\nb\n" * 50_000, id="headings of one level"),
        pytest.param("```\n```\n\na\n===\n\n" * 20_000, id="blocks of code and underlined lines"),
        pytest.param("#\t" * 200_000, id="marks and tabs"),
        pytest.param('."' * 200_000, id="quotes"),
    ],
)
def test_hostile_texts_take_no_longer_than_others(text: str) -> None:
    """Quadratic patterns would take minutes, which the suite's own limit ends."""
    (found, *_) = cut(row(text), Units(CHUNK, 50_000))
    assert found.text
    assert cut(row(text), Units(SECTION))
