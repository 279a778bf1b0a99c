"""PowerPoint's PPTX as Markdown: a page a slide, with title, text, tables and the speaker's notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from homa.files.readers import markdown
from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.ooxml import Package, attribute, local, relations
from homa.files.readers.pages import paged
from homa.files.readers.text import whole

_MAIN = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")
#: Placeholders that say the same on every slide.
_REPEATED = ("dt", "ftr", "sldNum", "sldImg", "hdr")
_NOTES = re.compile(r"notesSlides/[^/]+\.xml\Z")


class PptxReader:
    """One document with a page a slide."""

    name = "pptx"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return _MAIN in head.members

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        package = Package(opened.stream)
        slides = [_slide(package, path) for path in _order(package)]
        if not any(each.strip() for each in slides):
            raise Unreadable(f"holds no text on its {len(slides)} slides (pictures alone?)")
        text, pages = paged(slides)
        yield whole(text, pages=pages)


def _order(package: Package) -> list[str]:
    """The slides' parts as they are shown; hidden ones too."""
    targets = relations(package, _MAIN)
    root = package.xml(_MAIN)
    ids = [_namespaced(each, "id") for each in root.iter() if local(each.tag) == "sldId"]
    return [path for each in ids if (path := _path(targets.get(each, ""))) in package.names]


def _namespaced(element: Element, name: str) -> str:
    """A namespaced attribute, where a plain one of the same name stands beside it."""
    return next((value for key, value in element.attrib.items() if key.endswith("}" + name)), "")


def _path(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else f"ppt/{target}"


def _slide(package: Package, path: str) -> str:
    parts = list(_shapes(package.xml(path)))
    for target in relations(package, path).values():
        if _NOTES.search(target):
            name = "ppt/" + target.removeprefix("../").lstrip("/").removeprefix("ppt/")
            notes = "\n".join(_shapes(package.xml(name))).strip() if name in package.names else ""
            if notes:
                parts.append(f"Notes: {notes}")
    return markdown.blocks(parts)


def _shapes(element: Element) -> Iterator[str]:
    """Text of shapes in the order in which they are painted, which is how they were put there."""
    for each in element:
        match local(each.tag):
            case "sp":
                yield _shape(each)
            case "tbl":
                rows = [row for row in each if local(row.tag) == "tr"]
                yield markdown.table(
                    [["\n".join(_paragraphs(cell)) for cell in row if local(cell.tag) == "tc"] for row in rows]
                )
            case "Fallback" | "extLst":
                pass
            case _:
                yield from _shapes(each)


def _shape(shape: Element) -> str:
    kind = next((attribute(each, "type") for each in shape.iter() if local(each.tag) == "ph"), None)
    if kind in _REPEATED:
        return ""
    lines = list(_paragraphs(shape))
    if kind in _TITLES:
        return markdown.heading(2, " ".join(lines)) if any(lines) else ""
    return "\n".join(lines)


def _paragraphs(element: Element) -> Iterator[str]:
    for paragraph in element.iter():
        if local(paragraph.tag) != "p":
            continue
        level = next((int(attribute(each, "lvl") or 0) for each in paragraph if local(each.tag) == "pPr"), 0)
        text = "".join(_runs(paragraph)).strip()
        if text:
            yield "  " * level + ("- " if level else "") + text


def _runs(paragraph: Element) -> Iterator[str]:
    for each in paragraph.iter():
        match local(each.tag):
            case "t":
                yield each.text or ""
            case "br":
                yield "\n"
            case "tab":
                yield "\t"
