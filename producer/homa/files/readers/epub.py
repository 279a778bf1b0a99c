"""EPUB: the chapters of a book in reading order, a page mark each."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.html import source_of, to_markdown
from homa.files.readers.ooxml import Package, attribute, local
from homa.files.readers.pages import paged
from homa.files.readers.text import whole

_CONTAINER = "META-INF/container.xml"
_PAGES = ("application/xhtml+xml", "text/html", "application/html+xml")
#: Says that parts are encrypted: fonts, or all of a book that is protected.
_RIGHTS = "META-INF/rights.xml"


class EpubReader:
    """One document."""

    name = "epub"
    needs: tuple[str, ...] = ("selectolax",)
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return head.is_package(b"application/epub+zip") or _CONTAINER in head.members

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        package = Package(opened.stream)
        if _RIGHTS in package.names:
            raise Unreadable("is protected (DRM): it can be read only where it was bought")
        chapters = []
        for name in _spine(package):
            source, _ = source_of(package.bytes(name), options.encoding)
            chapters.append(to_markdown(source, whole=True)[1])
        text, pages = paged([chapter for chapter in chapters if chapter])
        if not text.strip():
            raise Unreadable("holds no text (pictures alone?)")
        yield whole(text, pages=pages)


def _spine(package: Package) -> list[str]:
    """The book's pages in reading order, without its table of contents."""
    roots = [attribute(each, "full-path") for each in package.xml(_CONTAINER).iter() if local(each.tag) == "rootfile"]
    if not roots:
        raise Unreadable(f"is damaged: {_CONTAINER} names no book")
    book = package.xml(roots[0])
    folder = posixpath.dirname(roots[0])
    pages: dict[str, str] = {}
    for item in (each for each in book.iter() if local(each.tag) == "item"):
        if item.get("media-type") in _PAGES and "nav" not in item.get("properties", "").split():
            path = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
            if path in package.names:
                pages[item.get("id", "")] = path
    order = [item.get("idref", "") for item in book.iter() if local(item.tag) == "itemref"]
    return [pages[each] for each in order if each in pages]
