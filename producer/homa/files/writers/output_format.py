"""Which formats of results there are, and which one a name asks for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from homa.files.remote.address import address_of
from homa.files.writers.folder import JOURNAL
from homa.files.writers.journaled import journal_path
from homa.files.writers.sqlite import SqliteTable, split_target
from homa_shared.model.errors import InvalidRequest

STDOUT = "-"


class OutputFormat(StrEnum):
    """How results are written."""

    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    XLSX = "xlsx"
    PARQUET = "parquet"
    SQLITE = "sqlite"
    # A folder of files:
    MD = "md"
    JSON = "json"
    TXT = "txt"


#: Formats that write a file for each input.
FOLDERS = frozenset({OutputFormat.MD, OutputFormat.JSON, OutputFormat.TXT})
#: Formats whose file is made from a journal when the run ends.
TABLES = frozenset({OutputFormat.XLSX, OutputFormat.PARQUET, OutputFormat.SQLITE})
#: Formats with columns for the input's fields.
FLAT = frozenset(OutputFormat) - FOLDERS - {OutputFormat.JSONL}
#: Formats that can be written to a stream.
STREAMED = frozenset({OutputFormat.JSONL, OutputFormat.CSV, OutputFormat.TSV, OutputFormat.PARQUET})
_ENDINGS = {
    "jsonl": OutputFormat.JSONL,
    "ndjson": OutputFormat.JSONL,
    "csv": OutputFormat.CSV,
    "tsv": OutputFormat.TSV,
    "xlsx": OutputFormat.XLSX,
    "parquet": OutputFormat.PARQUET,
    "sqlite": OutputFormat.SQLITE,
    "sqlite3": OutputFormat.SQLITE,
    "db": OutputFormat.SQLITE,
}


def output_format(target: str, chosen: str | None = None) -> OutputFormat:
    """The format chosen, else the one that the name ends in; a folder is Markdown, a name without ending JSON Lines.

    Raises InvalidRequest for a format or an ending that nobody knows.
    """
    if chosen is not None:
        try:
            return OutputFormat(chosen)
        except ValueError:
            raise InvalidRequest(f"--format is {chosen!r}: expected {', '.join(OutputFormat)}") from None
    path = Path(split_target(target)[0])
    if target == STDOUT:
        return OutputFormat.JSONL
    ending = path.suffix.lower().removeprefix(".")
    if target.endswith("/") or (path.is_dir() and ending not in _ENDINGS):
        return OutputFormat.MD
    if not ending or (path.exists() and not path.is_file()):
        return OutputFormat.JSONL
    if ending not in _ENDINGS:
        known = ", ".join(f".{name}" for name in _ENDINGS)
        raise InvalidRequest(
            f"--output {target}: no format is called .{ending}: expected {known}, a folder/ (--format md, json or "
            "txt), or --format"
        )
    return _ENDINGS[ending]


def written_paths(target: str) -> list[Path]:
    """The files and the folder that a run with this output may write beside its checkpoint."""
    file, table = split_target(target)
    path = Path(file)
    return [path, journal_path(path), SqliteTable(path, table).journal, Path(file, JOURNAL)]


def written_addresses(target: str) -> tuple[str, ...]:
    """The objects that a run with this output may write: a folder's end in a slash, and stand for all below them."""
    address = address_of(target, "--output")
    place = str(address)
    return (place, str(address.note), f"{place.rstrip('/')}.journal.jsonl")
