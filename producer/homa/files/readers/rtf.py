"""RTF: its text, without its formatting."""

from __future__ import annotations

from collections.abc import Iterator

from homa.files.readers import markdown
from homa.files.readers.content import Head
from homa.files.readers.document import Found, Opened, ReadOptions, Unreadable
from homa.files.readers.lines import LIMIT_BYTES
from homa.files.readers.text import TOO_LONG, whole

_START = b"{\\rtf"


class RtfReader:
    """One document."""

    name = "rtf"
    needs: tuple[str, ...] = ("striprtf",)
    isolated = True
    seeks = False
    markup = True

    def claims(self, head: Head) -> bool:
        return head.data.startswith(_START)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        raw = opened.stream.read(LIMIT_BYTES + 1)
        if len(raw) > LIMIT_BYTES:
            raise Unreadable(TOO_LONG)
        yield whole(markdown.tidy(to_text(raw)))


def to_text(raw: bytes) -> str:
    """The text of RTF, whose cells are told apart by `|`."""
    from striprtf import striprtf

    # RTF is ASCII by its definition; bytes beyond it are the code page's that it names, which is the parser's to know.
    text: str = striprtf.rtf_to_text(raw.decode("cp1252", "replace"), errors="replace")
    return text
