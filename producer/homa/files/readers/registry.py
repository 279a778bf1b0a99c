"""All readers, in the order in which they are asked whether a file is theirs."""

from __future__ import annotations

import logging
from functools import cache
from importlib.util import find_spec

from homa.files.readers.archives import TarReader, ZipReader
from homa.files.readers.columnar import ArrowReader, ParquetReader
from homa.files.readers.compression import CompressedReader
from homa.files.readers.content import BINARY, OLE, Head, binary_kind
from homa.files.readers.csv import CsvReader, TsvReader
from homa.files.readers.document import READERS, Fault, Reader, ReadOptions
from homa.files.readers.docx import DocxReader
from homa.files.readers.epub import EpubReader
from homa.files.readers.html import HtmlReader
from homa.files.readers.image import ImageReader
from homa.files.readers.json_array import JsonArrayReader
from homa.files.readers.jsonl import JsonlReader
from homa.files.readers.mail import MailReader, MboxReader
from homa.files.readers.msg import MsgReader
from homa.files.readers.notebook import NotebookReader
from homa.files.readers.odt import OdtReader
from homa.files.readers.office97 import DOC, PPT
from homa.files.readers.pdf import PdfReader
from homa.files.readers.pptx import PptxReader
from homa.files.readers.rtf import RtfReader
from homa.files.readers.spreadsheet import SpreadsheetReader
from homa.files.readers.sqlite import SqliteReader
from homa.files.readers.subtitles import SubtitlesReader
from homa.files.readers.text import TextReader
from homa_shared.model.errors import InvalidRequest, MissingExtra
from homa_shared.plugins import Policy, load_all, plugin_of

#: What is told by magic bytes and structure first, then markup, then rows, then text.
_BUILTIN: tuple[Reader, ...] = (
    PdfReader(),
    DocxReader(),
    PptxReader(),
    DOC,
    PPT,
    SpreadsheetReader(),
    OdtReader(),
    EpubReader(),
    MsgReader(),
    ParquetReader(),
    ArrowReader(),
    SqliteReader(),
    ImageReader(),
    CompressedReader(),
    ZipReader(),
    TarReader(),
    RtfReader(),
    NotebookReader(),
    MboxReader(),
    MailReader(),
    HtmlReader(),
    SubtitlesReader(),
    JsonlReader(),
    JsonArrayReader(),
    TsvReader(),
    CsvReader(),
    TextReader(),
)


@cache
def _installed(policy: Policy) -> tuple[Reader, ...]:
    """Readers of other packages; asked first, so that they may replace one of these."""
    found = load_all(READERS, policy, logging.getLogger("homa").warning)
    return tuple(reader for reader in found.values() if isinstance(reader, Reader))


def all_readers(policy: Policy = "skip") -> tuple[Reader, ...]:
    """Every reader.

    Args:
        policy: what becomes of one of an installed package that is broken.

    Raises:
        PluginError: one is, and the policy is `fatal`.
    """
    return (*_installed(policy), *_BUILTIN)


def names(policy: Policy = "skip") -> list[str]:
    """What `--input-format` takes."""
    return [reader.name for reader in all_readers(policy)]


def named(name: str, policy: Policy = "skip") -> Reader:
    """The reader of a name.

    Raises:
        InvalidRequest: none has it.
        ConfigError: the one that an installed package has under it is broken, or plugins are turned off.
    """
    found = next((reader for reader in all_readers(policy) if reader.name == name), None)
    if found is not None:
        return found
    if (plugin := plugin_of(READERS, name)) is not None:
        plugin.load_for(policy)
    raise InvalidRequest(f"--input-format is {name!r}: expected one of {', '.join(names(policy))}")


def reader_of(head: Head, options: ReadOptions) -> Reader | None:
    """The reader of a file; None where it is nothing that can be read."""
    if options.input_format is not None:
        return named(options.input_format, options.plugins)
    readers = all_readers(options.plugins)
    return next((each for each in readers if not (options.raw and each.markup) and each.claims(head)), None)


def unread(reader: Reader | None, data: bytes) -> Fault | None:
    """Why a file is not read: no reader has it, or the one that has it is not installed."""
    if reader is None:
        return Fault(f"{_called(data)}: no reader for this kind of file", skipped="binary")
    if any(find_spec(module) is None for module in reader.needs):
        return Fault(str(MissingExtra(f"Reading {reader.name} files", "documents")), skipped="not installed")
    return None


def _called(data: bytes) -> str:
    """What a file is that no reader has."""
    if not data.startswith(OLE):
        return binary_kind(data, None) or BINARY
    if "EncryptedPackage".encode("utf-16-le") in data:
        return "is an encrypted Office document (save it without a password first)"
    return "is an Office document of before 2007 (save it in a newer format)"
