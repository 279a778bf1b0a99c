"""Word's DOCX as Markdown: headings, lists, tables, links, notes, headers and footers; deletions are left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from homa.files.readers import markdown
from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.ooxml import Package, attribute, local, relations
from homa.files.readers.text import whole

_MAIN = "word/document.xml"
_HEADING = re.compile(r"heading\s*(\d)", re.IGNORECASE)
#: Parts beside the text, and under which heading they follow it.
_NOTES = (("word/footnotes.xml", "Footnotes"), ("word/endnotes.xml", "Endnotes"), ("word/comments.xml", "Comments"))
_MARGIN = re.compile(r"\Aword/(header|footer)\d*\.xml\Z")
#: What is on the page twice, or was taken out.
_LEFT_OUT = frozenset({"del", "moveFrom", "Fallback", "instrText", "delText", "rPr", "pPr", "sectPr"})


class DocxReader:
    """One document."""

    name = "docx"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return _MAIN in head.members

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        package = Package(opened.stream)
        text = _Body(package).text()
        if not text.strip():
            raise Unreadable("holds no text (pictures alone?)")
        yield whole(text)


class _Body:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._links = relations(package, _MAIN)
        self._styles = self._named_styles()
        self._numbered = self._numbered_lists()
        self._counts: dict[tuple[str, int], int] = {}

    def text(self) -> str:
        root = self._package.xml(_MAIN)
        body = next((each for each in root if local(each.tag) == "body"), root)
        parts = [*self._margins("header"), *self._blocks(body), *self._notes(), *self._margins("footer")]
        return markdown.tidy("".join(parts))

    def _margins(self, kind: str) -> Iterator[str]:
        """What stands on every page, once."""
        told: set[str] = set()
        for name in sorted(self._package.names):
            found = _MARGIN.match(name)
            if found and found[1] == kind:
                text = "".join(self._blocks(self._package.xml(name))).strip()
                if text and text not in told and not text.isdigit():
                    told.add(text)
                    yield f"{text}\n\n"

    def _notes(self) -> Iterator[str]:
        for name, title in _NOTES:
            if name not in self._package.names:
                continue
            notes = [
                f"[{attribute(note, 'id')}] {text}\n\n"
                for note in self._package.xml(name)
                if attribute(note, "type") == "" and (text := "".join(self._blocks(note)).strip())
            ]
            if notes:
                yield f"\n\n{markdown.heading(2, title)}\n\n"
                yield from notes

    def _blocks(self, parent: Element) -> Iterator[str]:
        for element in parent:
            match local(element.tag):
                case "p":
                    yield self._paragraph(element)
                case "tbl":
                    yield f"\n\n{self._table(element)}\n\n"
                case "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo":
                    yield from self._blocks(element)

    def _table(self, table: Element) -> str:
        rows = [["".join(self._blocks(cell)) for cell in _inside(row, "tc")] for row in _inside(table, "tr")]
        return markdown.table(rows)

    def _paragraph(self, paragraph: Element) -> str:
        text = "".join(self._runs(paragraph)).strip()
        boxed = "".join(self._boxes(paragraph))
        if not text:
            return boxed
        properties = next((each for each in paragraph if local(each.tag) == "pPr"), None)
        style, numbering = self._of(properties)
        if found := _HEADING.match(style):
            return f"\n\n{markdown.heading(int(found[1]), text)}\n\n{boxed}"
        if style.lower() == "title":
            return f"\n\n{markdown.heading(1, text)}\n\n{boxed}"
        if numbering is not None:
            return f"{self._mark(numbering)}{text}\n{boxed}"
        return f"\n{text}\n\n{boxed}" if self._counts.pop(("", 0), None) else f"{text}\n\n{boxed}"

    def _boxes(self, paragraph: Element) -> Iterator[str]:
        """Text boxes that are anchored here."""
        for box in paragraph.iter():
            if local(box.tag) == "txbxContent" and not _within_fallback(paragraph, box):
                yield f"\n\n{''.join(self._blocks(box)).strip()}\n\n"

    def _mark(self, numbering: tuple[str, int]) -> str:
        self._counts[("", 0)] = 1  # an empty line is due behind the list
        indent = "  " * numbering[1]
        if (numbering[0], numbering[1]) not in self._numbered:
            return f"{indent}- "
        self._counts[numbering] = self._counts.get(numbering, 0) + 1
        return f"{indent}{self._counts[numbering]}. "

    def _runs(self, element: Element) -> Iterator[str]:
        for child in element:
            tag = local(child.tag)
            if tag == "t":
                yield child.text or ""
            elif tag in ("tab", "ptab"):
                yield "\t"
            elif tag in ("br", "cr"):
                yield "\n"
            elif tag in ("footnoteReference", "endnoteReference"):
                yield f"[{attribute(child, 'id')}]"
            elif tag == "hyperlink":
                yield markdown.link("".join(self._runs(child)), self._links.get(attribute(child, "id"), ""))
            elif tag == "noBreakHyphen":
                yield "-"
            elif tag not in _LEFT_OUT and tag != "txbxContent":
                yield from self._runs(child)

    def _of(self, properties: Element | None) -> tuple[str, tuple[str, int] | None]:
        """A paragraph's style by name, and its list and level."""
        style, numbering = "", None
        for each in properties if properties is not None else ():
            if local(each.tag) == "pStyle":
                style, inherited = self._styles.get(attribute(each, "val"), (attribute(each, "val"), None))
                numbering = numbering or inherited
            elif local(each.tag) == "numPr":
                numbering = _numbering(each) or numbering
        return style, numbering

    def _named_styles(self) -> dict[str, tuple[str, tuple[str, int] | None]]:
        if "word/styles.xml" not in self._package.names:
            return {}
        found: dict[str, tuple[str, tuple[str, int] | None]] = {}
        for style in self._package.xml("word/styles.xml"):
            name = next((attribute(each, "val") for each in style if local(each.tag) == "name"), "")
            numbering = next((_numbering(each) for each in style.iter() if local(each.tag) == "numPr"), None)
            found[attribute(style, "styleId")] = (name, numbering)
        return found

    def _numbered_lists(self) -> set[tuple[str, int]]:
        """Lists and levels that count; all others have bullets."""
        if "word/numbering.xml" not in self._package.names:
            return set()
        root = self._package.xml("word/numbering.xml")
        abstract: dict[str, set[int]] = {}
        for each in root:
            if local(each.tag) == "abstractNum":
                levels = {
                    int(attribute(level, "ilvl") or 0)
                    for level in _inside(each, "lvl")
                    if any(local(f.tag) == "numFmt" and attribute(f, "val") not in ("bullet", "none") for f in level)
                }
                abstract[attribute(each, "abstractNumId")] = levels
        return {
            (attribute(each, "numId"), level)
            for each in root
            if local(each.tag) == "num"
            for ref in _inside(each, "abstractNumId")
            for level in abstract.get(attribute(ref, "val"), ())
        }


def _inside(element: Element, tag: str) -> Iterator[Element]:
    for each in element:
        if local(each.tag) == tag:
            yield each
        elif local(each.tag) in ("sdt", "sdtContent", "customXml", "ins"):
            yield from _inside(each, tag)


def _numbering(properties: Element) -> tuple[str, int] | None:
    values = {local(each.tag): attribute(each, "val") for each in properties}
    number = values.get("numId", "")
    if number in ("", "0"):
        return None
    return number, int(values.get("ilvl") or 0)


def _within_fallback(paragraph: Element, box: Element) -> bool:
    return any(
        each is box for fallback in paragraph.iter() if local(fallback.tag) == "Fallback" for each in fallback.iter()
    )
