"""OpenDocument text (ODT) and slides (ODP) as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from homa.files.readers import markdown
from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.ooxml import Package, attribute, local
from homa.files.readers.text import whole

_MIMETYPES = (
    b"application/vnd.oasis.opendocument.text",
    b"application/vnd.oasis.opendocument.presentation",
)
#: Rows and cells that say how often they are repeated, up to what a person fills in.
_MOST_REPEATED = 100
_LEFT_OUT = frozenset({"tracked-changes", "annotation", "sequence-decls", "forms", "variable-decls", "bookmark"})


class OdtReader:
    """One document."""

    name = "odt"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return any(map(head.is_package, _MIMETYPES))

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        package = Package(opened.stream)
        if "META-INF/manifest.xml" in package.names and b"encryption-data" in package.bytes("META-INF/manifest.xml"):
            raise Unreadable("is encrypted: save it without a password first")
        root = package.xml("content.xml")
        body = next((each for each in root if local(each.tag) == "body"), root)
        text = markdown.tidy("".join(_blocks(body, 0)))
        if not text.strip():
            raise Unreadable("holds no text (pictures alone?)")
        yield whole(text)


def _blocks(parent: Element, depth: int) -> Iterator[str]:
    for element in parent:
        tag = local(element.tag)
        if tag == "p":
            yield f"{''.join(_inline(element)).strip()}\n\n"
        elif tag == "h":
            level = attribute(element, "outline-level")
            yield f"\n\n{markdown.heading(int(level) if level.isdigit() else 1, ''.join(_inline(element)))}\n\n"
        elif tag == "list":
            yield from _list(element, depth)
            yield "\n" if not depth else ""
        elif tag == "table":
            yield f"\n\n{markdown.table(_rows(element))}\n\n"
        elif tag not in _LEFT_OUT:
            yield from _blocks(element, depth)


def _list(element: Element, depth: int) -> Iterator[str]:
    for item in element:
        for block in item:
            if local(block.tag) == "list":
                yield from _list(block, depth + 1)
            else:
                text = "".join(_blocks(_wrapped(block), depth)).strip()
                yield f"{'  ' * depth}- {text}\n" if text else ""


def _wrapped(element: Element) -> Element:
    holder = Element("holder")
    holder.append(element)
    return holder


def _rows(table: Element) -> Iterator[list[str]]:
    for row in _inside(table, "table-row"):
        yield [
            text
            for cell in row
            if local(cell.tag) in ("table-cell", "covered-table-cell")
            for text in ["".join(_blocks(cell, 0)).strip()] * _repeated(cell)
        ]


def _inside(table: Element, tag: str) -> Iterator[Element]:
    for each in table:
        if local(each.tag) == tag:
            yield each
        elif local(each.tag) in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _inside(each, tag)


def _repeated(cell: Element) -> int:
    count = attribute(cell, "number-columns-repeated")
    return min(int(count), _MOST_REPEATED) if count.isdigit() and cell.findtext(".//") is not None else 1


def _inline(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        tag = local(child.tag)
        if tag == "s":
            count = attribute(child, "c")
            yield " " * (min(int(count), _MOST_REPEATED) if count.isdigit() else 1)
        elif tag == "tab":
            yield "\t"
        elif tag == "line-break":
            yield "\n"
        elif tag == "a":
            yield markdown.link("".join(_inline(child)), attribute(child, "href"))
        elif tag == "note":
            body = next((each for each in child if local(each.tag) == "note-body"), None)
            yield f" [note: {''.join(_blocks(body, 0)).strip()}]" if body is not None else ""
        elif tag in ("frame", "text-box", "custom-shape"):
            yield "".join(_blocks(child, 0))
        elif tag not in _LEFT_OUT:
            yield from _inline(child)
        yield child.tail or ""
