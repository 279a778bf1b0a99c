"""What a file is, by its first bytes and its structure; its name counts where those say nothing."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import IO, cast

from homa.files.readers.lines import keeps_ascii, mark_of

#: Bytes looked at to tell what a file is; the read buffer too.
HEAD_BYTES = 64 * 1024
ZIP = b"PK\x03\x04"
EMPTY_ZIP = b"PK\x05\x06"
#: Compound files: Office before 2007, Outlook.
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: First bytes of formats that nobody reads here, and what they are called.
UNREADABLE = (
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a program"),
    (b"ID3", "sound"),
    (b"OggS", "sound or film"),
    (b"fLaC", "sound"),
    (b"\x1aE\xdf\xa3", "film"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"wOFF", "a font"),
    (b"\x00\x01\x00\x00\x00", "a font"),
    (b"OTTO", "a font"),
)
#: Where a compound file's header says in which sector its directory begins, and a sector's size; bytes of its first
#: entries, each of 128.
_DIRECTORY_AT, _SHIFT_AT, _DIRECTORY_BYTES = 48, 30, 8 * 1024
#: What holds NULs, and nothing more is known of.
BINARY = "is binary"
#: Of the bytes of UTF-16 text in a Western language nearly every second one is NUL.
_UTF16_SHARE = 0.4
#: Characters looked at for markup, and bytes within which a package says its type.
_MARKUP_CHARACTERS = 4096
_TYPE_BYTES = 200
#: Longest listing of a zip file that is looked through for a document's parts: of about 50,000.
_LISTING_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Head:
    """How a file begins, and what it is called."""

    #: As told to people.
    path: str
    #: The first bytes, HEAD_BYTES of them where there are as many.
    data: bytes
    #: The file itself where it can be looked into further; its position is kept.
    stream: IO[bytes] | None = None
    #: Standard input or a pipe: nobody gave it a name that tells its kind.
    nameless: bool = False
    #: As `--encoding` has it.
    encoding: str | None = None

    @cached_property
    def suffix(self) -> str:
        """The ending of its name, in small letters."""
        return PurePath(self.path).suffix.lower()

    @cached_property
    def text(self) -> str:
        """The first characters, as far as they can be read as UTF-8 or as its mark says."""
        length, encoding = mark_of(self.data, "utf-8")
        return self.data[length:].decode(encoding, "replace")

    @cached_property
    def start(self) -> str:
        """The first characters that are not blank, in small letters."""
        return self.text[:_MARKUP_CHARACTERS].lstrip().lower()

    @cached_property
    def members(self) -> frozenset[str]:
        """Names of a zip file's members; empty for any other file, damaged ones, and those with too many."""
        if self.stream is None or not self.data.startswith((ZIP, EMPTY_ZIP)):
            return frozenset()
        try:
            place = self.stream.tell()
            try:
                with zipfile.ZipFile(cast(IO[bytes], _Listed(self.stream))) as archive:
                    return frozenset(archive.namelist())
            finally:
                self.stream.seek(place)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return frozenset()

    @cached_property
    def directory(self) -> bytes:
        """Names of a compound file's first streams, wherever in it they stand; empty for any other file."""
        if self.stream is None or not self.data.startswith(OLE) or len(self.data) < 512:
            return b""
        shift = int.from_bytes(self.data[_SHIFT_AT : _SHIFT_AT + 2], "little")
        sector = int.from_bytes(self.data[_DIRECTORY_AT : _DIRECTORY_AT + 4], "little")
        if shift not in (9, 12):
            return b""
        place = self.stream.tell()
        try:
            self.stream.seek((sector + 1) << shift)
            return self.stream.read(_DIRECTORY_BYTES)
        finally:
            self.stream.seek(place)

    @cached_property
    def binary(self) -> str | None:
        """What it is where it is no text, in words; None for text."""
        return binary_kind(self.data, self.encoding)

    @cached_property
    def has_rows(self) -> bool:
        """Whether it may be text in rows: there a stray NUL spoils only its own."""
        lines = self.data[: self.data.rfind(b"\n") + 1 or None]
        return self.binary in (None, BINARY) and (self.binary is None or _decodes(lines))

    def is_package(self, kind: bytes) -> bool:
        """Whether it is a zip file that begins with its type, as OpenDocument and EPUB want it."""
        return self.data.startswith(ZIP) and kind in self.data[:_TYPE_BYTES]

    def holds(self, marker: bytes) -> bool:
        """Whether bytes stand somewhere in the head: for the streams' names of a compound file."""
        return marker in self.data


class _Listed:
    """A zip file whose listing is read if it is short: a listing of millions takes gigabytes, and this is no helper."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.seek, self.tell = stream, stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Raises ValueError for a long listing, which is read at once."""
        if size > _LISTING_BYTES:
            raise ValueError(f"a listing of {size} bytes")
        return self._stream.read(size)


def guess_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark, told by where its NULs stand; None for what it is not."""
    even, odd = data[::2].count(0), data[1::2].count(0)
    most = max(even, odd)
    if not data or most < _UTF16_SHARE * len(data) / 2 or min(even, odd) > most / 20:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def binary_kind(data: bytes, encoding: str | None) -> str | None:
    """What a file is that is no text, in words; None for text.

    A NUL tells, but for encodings that are full of them.
    """
    mark, named = mark_of(data, encoding or "utf-8")
    if mark or not keeps_ascii(named):
        return None
    known = next((what for magic, what in UNREADABLE if data.startswith(magic)), None)
    if known is not None and (b"\0" in data or not _decodes(data)):
        return f"is {known}"
    if b"\0" in data and guess_utf16(data) is None:
        return BINARY
    return None


def _decodes(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start > len(data) - 4
    return True
