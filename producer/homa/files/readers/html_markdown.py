"""A tree of HTML as Markdown. Layout tables, which mails are made of, become text and not tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from homa.files.readers import markdown

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

#: Nesting beyond which text is taken without its structure: hostile pages nest by the ten thousand.
MOST_DEPTH = 150
_BLANKS = re.compile(r"[\s\u00a0]+")
_BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form "
    "header hgroup html legend li main nav ol p section summary ul caption tr table thead tbody tfoot".split()
)
#: Rendered by a method of their own; a page may have any other name for a tag.
_SPECIAL = frozenset("a blockquote br hr img ol pre table td th ul".split())
_EMPHASIS = {
    "strong": "**",
    "b": "**",
    "em": "*",
    "i": "*",
    "code": "`",
    "kbd": "`",
    "samp": "`",
    "del": "~~",
    "s": "~~",
}


class Renderer:
    """Renders one tree."""

    def render(self, node: LexborNode) -> str:
        return markdown.tidy(self._children(node, 0))

    def _children(self, node: LexborNode, depth: int) -> str:
        if depth > MOST_DEPTH:
            return _BLANKS.sub(" ", node.text(separator=" "))
        parts: list[str] = []
        child = node.child
        while child is not None:
            parts.append(self._node(child, depth + 1))
            child = child.next
        return "".join(parts)

    def _node(self, node: LexborNode, depth: int) -> str:
        tag = node.tag
        if tag == "-text":
            return _BLANKS.sub(" ", node.text_content or "")
        if tag is None or tag.startswith(("-", "_", "!")):
            return ""
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            text = self._children(node, depth).strip()
            return f"\n\n{markdown.heading(int(tag[1]), text)}\n\n" if text else ""
        if tag in _SPECIAL:
            return str(getattr(self, f"_{tag}")(node, depth))
        if tag in _EMPHASIS:
            return self._emphasised(node, depth, _EMPHASIS[tag])
        inner = self._children(node, depth)
        return f"\n\n{inner.strip(' ')}\n\n" if tag in _BLOCKS else inner

    def _emphasised(self, node: LexborNode, depth: int, mark: str) -> str:
        inner = self._children(node, depth)
        text = inner.strip()
        if not text or "\n" in text or text.startswith(mark):
            return inner
        before, after = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
        return f"{before}{mark}{text}{mark}{after}"

    def _br(self, node: LexborNode, depth: int) -> str:
        return "\n"

    def _hr(self, node: LexborNode, depth: int) -> str:
        return "\n\n---\n\n"

    def _a(self, node: LexborNode, depth: int) -> str:
        inner = self._children(node, depth)
        if "\n" in inner.strip():
            return inner
        return markdown.link(inner, node.attributes.get("href") or "")

    def _img(self, node: LexborNode, depth: int) -> str:
        return _BLANKS.sub(" ", node.attributes.get("alt") or "")

    def _pre(self, node: LexborNode, depth: int) -> str:
        return f"\n\n```\n{node.text().strip(chr(10))}\n```\n\n"

    def _blockquote(self, node: LexborNode, depth: int) -> str:
        inner = markdown.tidy(self._children(node, depth)).strip()
        return "\n\n" + "\n".join(f"> {line}".rstrip() for line in inner.split("\n")) + "\n\n" if inner else ""

    def _ul(self, node: LexborNode, depth: int) -> str:
        return self._list(node, depth, numbered=False)

    def _ol(self, node: LexborNode, depth: int) -> str:
        return self._list(node, depth, numbered=True)

    def _list(self, node: LexborNode, depth: int, *, numbered: bool) -> str:
        items: list[str] = []
        child = node.child
        while child is not None:
            inner = markdown.tidy(self._node_inner(child, depth + 1)).strip()
            if inner:
                mark = f"{len(items) + 1}. " if numbered else "- "
                items.append(mark + re.sub(r"\n+", "\n" + " " * len(mark), inner))
            child = child.next
        return "\n\n" + "\n".join(items) + "\n\n" if items else ""

    def _node_inner(self, node: LexborNode, depth: int) -> str:
        return self._children(node, depth) if node.tag == "li" else self._node(node, depth)

    def _table(self, node: LexborNode, depth: int) -> str:
        if node.css_first("table table") is not None or not _is_data(node):
            return f"\n\n{self._children(node, depth)}\n\n"
        rows = [[self._children(cell, depth) for cell in _cells(row)] for row in node.css("tr")]
        return f"\n\n{markdown.table(rows)}\n\n"

    def _td(self, node: LexborNode, depth: int) -> str:
        return f" {self._children(node, depth)} "

    _th = _td


def _cells(row: LexborNode) -> list[LexborNode]:
    found: list[LexborNode] = []
    child = row.child
    while child is not None:
        if child.tag in ("td", "th"):
            found.append(child)
        child = child.next
    return found


def _is_data(table: LexborNode) -> bool:
    """Whether a table is one: more than one column in most of its rows, and no blocks of prose in its cells."""
    rows = table.css("tr")
    wide = sum(len(_cells(row)) > 1 for row in rows)
    if not rows or table.attributes.get("role") == "presentation":
        return False
    return wide * 2 >= len(rows) and not table.css("td h1, td h2, td h3, td ul, td ol, td blockquote")
