"""Rows to the units that a run asks about, each a row under an id of its own: `a.pdf#p3`, `a.md#s2`, `a.txt#c7`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from homa.files.readers.paths import Skipped
from homa.files.rows import BadRow, Row
from homa.files.units.chunks import Span, chunks
from homa.files.units.headings import Heading, heading_path, headings
from homa.files.units.measure import Measure
from homa.files.units.sections import pages, sections
from homa.files.units.unit import CHUNK, PAGE, SECTION, Units, with_columns

#: The letter in a unit's id.
_LETTERS = {PAGE: "p", SECTION: "s", CHUNK: "c"}
_UNIT_ID = re.compile(r"#[psc]\d+$")
#: Pages that are told in one remark.
_TOLD = 12


def in_units(
    rows: Iterable[Row | BadRow], units: Units, measure: Measure, skipped: Skipped | None = None
) -> Iterator[Row | BadRow]:
    """The same rows, cut into units.

    Args:
        skipped: is told what somebody might not expect of a document.
    """
    cutter = Cutter(units, measure, skipped or Skipped())
    for row in rows:
        if isinstance(row, Row):
            yield from cutter.cut(row)
        elif _UNIT_ID.search(row.custom_id):  # a unit of another document may have this id
            yield replace(row, custom_id=f"{row.custom_id} (input)")
        else:
            yield row


class Cutter:
    """Cuts rows into units of one kind."""

    def __init__(self, units: Units, measure: Measure, skipped: Skipped) -> None:
        self._units, self._measure, self._skipped = units, measure, skipped

    def cut(self, row: Row) -> Iterator[Row | BadRow]:
        """The units of a row; itself as a bad one where it has no text to cut."""
        kind = self._units.kind
        if row.request is not None:
            yield row.rejected(f"is a line of a batch file: --unit {kind} cuts documents; leave it out")
            return
        if row.text is None:
            yield row.rejected(f"has no field 'text': --unit {kind} cuts documents, and rows by their field 'text'")
            return
        found = headings(row.text, row.path)
        spans = list(self._spans(row, row.text, found)) or [Span(1, 0, len(row.text), 0)]
        for place, span in enumerate(spans):
            following = spans[place + 1].begin if place + 1 < len(spans) else None
            yield self._unit(row, row.text, span, found, following, first=not place)

    def _spans(self, row: Row, text: str, found: list[Heading]) -> Iterator[Span]:
        if self._units.kind == CHUNK:
            return chunks(text, found, self._measure, self._units.tokens, self._units.overlap)
        if self._units.kind == SECTION:
            if not found:
                self._remark(row, "has no headings: it is one section")
            return sections(text, found)
        if not row.pages:
            if text.strip():
                self._remark(row, "has no pages: it is one")
            return iter(())
        spans = list(pages(text, row.pages, row.image_pages))
        have = {span.number for span in spans}
        if blank := [number for number in range(1, len(row.pages) + 1) if number not in have]:
            shown = ", ".join(map(str, blank[:_TOLD])) + (", …" if len(blank) > _TOLD else "")
            self._remark(row, f"nothing is asked about page{'s' if len(blank) > 1 else ''} {shown}, without text")
        return iter(spans)

    def _unit(
        self, row: Row, text: str, span: Span, found: list[Heading], following: int | None, *, first: bool
    ) -> Row:
        letter = _LETTERS[self._units.kind]
        page = bisect_right(row.pages, span.start) if row.pages else None
        if self._units.kind == PAGE and row.pages:
            page = span.number  # of pages without text several begin at one place
        unit: Mapping[str, Any] = {
            "unit": span.number,
            "file": row.path,
            "page": page,
            "start": span.start,
            "end": span.end,
            "heading": heading_path(found, span.begin),
        }
        part = text[span.start : span.end]
        fields = with_columns(row.fields, unit)
        if "text" in fields:
            fields["text"] = part
        shown = [
            (image, number)
            for image, number in zip(row.images, _pages_of_images(row), strict=True)
            if self._shows(row, number, span, following, first=first)
        ]
        return replace(
            row,
            custom_id=f"{row.custom_id}#{letter}{span.number}",
            text=part,
            fields=fields,
            unit=unit,
            pages=_pages_within(row.pages, span),
            images=tuple(image for image, _ in shown),
            image_pages=tuple(number for _, number in shown),
        )

    def _shows(self, row: Row, number: int, span: Span, following: int | None, *, first: bool) -> bool:
        """Whether the image of a page belongs to a unit: that in which the page begins."""
        if self._units.kind == PAGE and row.pages:
            return number == span.number
        begins = row.pages[number - 1] if number <= len(row.pages) else 0
        return (first or begins >= span.begin) and (following is None or begins < following)

    def _remark(self, row: Row, what: str) -> None:
        if row.line is None:
            self._skipped.remark(f"{row.custom_id}: {what}")


def _pages_of_images(row: Row) -> tuple[int, ...]:
    return row.image_pages if len(row.image_pages) == len(row.images) else (1,) * len(row.images)


def _pages_within(starts: tuple[int, ...], span: Span) -> tuple[int, ...]:
    """Where in a unit its pages begin; the first is the one in which it begins."""
    if not starts:
        return ()
    inside = (start - span.start for start in starts if span.start < start < span.end)
    return (0, *inside)
