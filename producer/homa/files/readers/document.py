"""What a reader is, and what it makes of a file: documents, and faults in the place of those that cannot be read.

A reader is told by what a file begins with (`claims`), not by its name alone. Packages bring further ones by an entry
point of the group `homa.readers`, which names an object of the protocol `Reader`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol, runtime_checkable

from homa_shared.plugins import Group, Policy

if TYPE_CHECKING:
    from homa.files.readers.content import Head

#: `--pages`: scanned pages as images, all pages as text, all pages as images.
PAGES = ("auto", "text", "image")
#: `--sheets`: what of a spreadsheet becomes a prompt.
SHEETS = ("rows", "documents")
#: Seconds that a reader may take for one document.
DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How inputs are to be read; the same for all of a run."""

    #: Of text without a byte order mark; None: UTF-8, and where it is not, a guess that is told.
    encoding: str | None = None
    #: A reader's name, for all inputs; None: by their content.
    input_format: str | None = None
    #: Markup stays as it is: HTML, mail, RTF, notebooks, subtitles.
    raw: bool = False
    #: Between the cells of CSV; None: by the header.
    delimiter: str | None = None
    #: Lines of CSV, or rows of a sheet, before the header.
    skip_rows: int = 0
    #: SQL whose rows are the rows of a SQLite file; None: its one table.
    query: str | None = None
    #: One of PAGES.
    pages: str = "auto"
    #: One of SHEETS.
    sheets: str = "rows"
    #: The column that names a row, so that a header without it is told once.
    id_column: str | None = None
    deadline_s: float = DEADLINE_S
    #: What becomes of readers of installed packages.
    plugins: Policy = "skip"


@dataclass(frozen=True, slots=True)
class Document:
    """One prompt's worth of a file: all of it, a row, a sheet, a mail's attachment."""

    #: None: the row's field `text`, if it has one.
    text: str | None = None
    #: Columns of a row, or what a document says of itself (a mail's subject).
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: Where a row stands, from 1; None for whole documents.
    line: int | None = None
    #: Where it stands in the file: a sheet, an attachment, a member of an archive; empty for all of it.
    part: str = ""
    #: Where in `text` each page begins, in characters; empty for what has no pages.
    pages: tuple[int, ...] = ()
    #: What somebody who relies on the text should know of it.
    notes: tuple[str, ...] = ()
    #: Shown beside the text: PNG, JPEG, GIF or WebP.
    images: tuple[bytes, ...] = ()
    #: Number of the page that each image shows, from 1; empty where there are no pages.
    image_pages: tuple[int, ...] = ()
    #: The body of an OpenAI batch line.
    request: dict[str, Any] | None = None
    #: Settled by the reader; None: from the row's columns, else from its place.
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What cannot be read, where it stands and why; `error` goes on from the path: "is empty"."""

    error: str
    line: int | None = None
    part: str = ""
    #: The kind of thing that is passed over and was not expected to be read: hidden, binary, special; else empty.
    skipped: str = ""
    custom_id: str | None = None


@dataclass(frozen=True, slots=True)
class Attached:
    """A file within a file, to be read by the reader that its own content asks for."""

    #: Its name, by which it is also told apart; empty where the outer file holds just this one.
    name: str
    stream: IO[bytes]
    #: What its type is told by beside its content, where that is not its name.
    named: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """What is told of a file once, on the terminal."""

    text: str
    part: str = ""


Found = Document | Fault | Attached | Remark


@dataclass(frozen=True, slots=True)
class Opened:
    """A file open for reading."""

    #: As told to people.
    path: str
    #: Seekable where the reader `seeks`.
    stream: IO[bytes]


@runtime_checkable
class Reader(Protocol):
    """Makes documents of one kind of file."""

    @property
    def name(self) -> str:
        """What `--input-format` calls it."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Modules beyond the light client that it imports; they belong to the extra `documents`."""
        ...

    @property
    def isolated(self) -> bool:
        """Whether it runs in a helper process, which it may crash, hang or fill."""
        ...

    @property
    def seeks(self) -> bool:
        """Whether it moves about in the file, so that what comes as a stream has to be kept first."""
        ...

    @property
    def markup(self) -> bool:
        """Whether its files can also be sent as the text that they are (`--raw`)."""
        ...

    def claims(self, head: Head) -> bool:
        """Whether a file is of its kind."""
        ...

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """What is in the file. What it raises becomes the fault of the file, or of what is left of it."""
        ...


def _fault(name: str, found: object) -> str | None:
    if isinstance(found, Reader) and not isinstance(found, type):
        return None
    return f"is {found!r:.80}; expected an object with the names of a reader, as docs/documents.md has them"


#: A package's entry point of this group is a reader, which is asked before Homa's own.
READERS = Group("homa.readers", "reader", _fault)


class Unreadable(Exception):
    """A file of the reader's kind that cannot be read; the message goes on from the path."""
