"""HTML: its main text as Markdown, with headings, lists, tables and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from homa.files.readers.content import Head
from homa.files.readers.document import Document, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.encodings import declared, decoded
from homa.files.readers.html_markdown import Renderer
from homa.files.readers.lines import LIMIT_BYTES, mark_of
from homa.files.readers.text import TOO_LONG

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_SUFFIXES = (".html", ".htm", ".xhtml", ".xht")
_STARTS = ("<!doctype html", "<html", "<head", "<body")
#: Before a page's first tag.
_MOST_COMMENTS = 10
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
#: What is never text.
_NOISE = (
    "script, style, template, noscript, svg, iframe, object, head, [hidden], [aria-hidden=true], "
    "[style*='display:none' i], [style*='display: none' i]"
)
#: What stands around a page's text.
_AROUND = (
    "nav, footer, aside, [role=navigation], [role=contentinfo], [role=banner], [role=search], dialog, form[role=search]"
)
_MAIN = ("main", "[role=main]", "article")
#: A main part with less of a page's text than this share is no main part.
_LEAST_SHARE = 0.25


class HtmlReader:
    """One document: the main part of the page, without navigation, scripts and styles."""

    name = "html"
    needs: tuple[str, ...] = ("selectolax",)
    isolated = True
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        if head.binary is not None:
            return False
        return head.suffix in _SUFFIXES or _bare(head.start).startswith(_STARTS)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        raw = opened.stream.read(LIMIT_BYTES + 1)
        if len(raw) > LIMIT_BYTES:
            raise Unreadable(TOO_LONG)
        source, notes = source_of(raw, options.encoding)
        title, text = to_markdown(source)
        if not text:
            raise Unreadable("holds no text: a page that scripts fill? Save it from a browser")
        yield Document(text, {"title": title} if title else {}, notes=notes)


def _bare(start: str) -> str:
    """The start of a page without an XML declaration and comments before it."""
    for opening, closing in (("<?xml", "?>"), *[("<!--", "-->")] * _MOST_COMMENTS):
        if start.startswith(opening):
            start = start.partition(closing)[2].lstrip()
    return start


def source_of(raw: bytes, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    """A page's source: by its mark, what `--encoding` says, its own declaration, UTF-8, or a guess."""
    if encoding is None and not mark_of(raw, "")[0] and (named := _CHARSET.search(raw[:4096])):
        text = declared(raw, named[1].decode("ascii", "replace"))
        if text is not None:  # declarations are wrong more often than guesses
            return text, ()
    return decoded(raw, encoding)


def to_markdown(source: str, *, whole: bool = False) -> tuple[str, str]:
    """Title and text of a page.

    Args:
        whole: all of it is its text: a mail's body, a book's chapter.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source.replace("\0", ""))
    named = tree.css_first("title")
    title = " ".join(named.text().split()) if named is not None else ""
    body = tree.body
    if body is None:
        return title, ""
    for node in body.css(_NOISE):
        node.decompose()
    if not whole:
        body = _main(body)
    return title, Renderer().render(body)


def _main(body: LexborNode) -> LexborNode:
    everything = len(body.text())
    for selector in _MAIN:
        found = body.css(selector)
        if len(found) == 1 and len(found[0].text()) >= _LEAST_SHARE * everything:
            body = found[0]
            break
    for node in body.css(_AROUND):
        if len(node.text()) < everything / 2:
            node.decompose()
    return body
