"""The results file of a run: which format, a new file or an earlier one that is resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from homa.files.digests import Digests
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import Layout
from homa.files.writers.csv import CsvRecords, CsvResults
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.earlier_line import Records
from homa.files.writers.jsonl import JsonlRecords, JsonlResults
from homa.files.writers.output_file import OutputFile, create
from homa.files.writers.parquet import ParquetResults, ParquetStream, check_parquet, journal_path
from homa.files.writers.resume import resumed, survey
from homa_shared.model.errors import InvalidRequest

STDOUT = "-"


class OutputFormat(StrEnum):
    """How results are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def output_format(target: str, chosen: str | None = None) -> OutputFormat:
    """The format chosen, else the one that the file's name ends in, else JSON Lines."""
    if chosen is not None:
        try:
            return OutputFormat(chosen)
        except ValueError:
            raise InvalidRequest(f"--format is {chosen!r}: expected {', '.join(OutputFormat)}") from None
    ending = Path(target).suffix.lower().removeprefix(".")
    return OutputFormat(ending) if ending in list(OutputFormat) else OutputFormat.JSONL


def done(target: str, form: str | None = None) -> Digests:
    """The inputs that a results file has answers for; none if it does not exist. Changes nothing.

    Raises InvalidRequest for a file that is not a results file.
    """
    chosen = output_format(target, form)
    path = Path(target).resolve()
    if chosen is OutputFormat.PARQUET:
        return survey(journal_path(path), JsonlRecords()).done
    return survey(path, CsvRecords() if chosen is OutputFormat.CSV else JsonlRecords()).done


def open_output(
    target: str,
    form: str | None = None,
    *,
    resume: bool = False,
    redo_cut: bool = False,
    compare: bool = False,
    force: bool = False,
    columns: Iterable[str] = (),
    schema: Mapping[str, Any] | None = None,
    stdout: IO[bytes] | None = None,
) -> ResultsWriter:
    """Open a results file.

    Args:
        target: a path, or `-` for standard output.
        form: jsonl, csv or parquet; default by the path's ending.
        resume: keep the answers of an earlier run (`ResultsWriter.done`), take out its failures and its torn end.
        redo_cut: take out answers that were cut, too.
        compare: with `resume`, leave all lines in the file and have them in `ResultsWriter.earlier`, until what becomes
            of each is decided and `ResultsWriter.revise` is called.
        force: write an existing file anew.
        columns: the input's columns, for CSV and Parquet.
        schema: JSON schema of the replies, whose fields become columns of CSV and Parquet.
        stdout: where `-` leads; default the process's own.

    Raises:
        InvalidRequest: the file exists and neither `resume` nor `force` is given, is not a results file, has other
            columns, is being written by another run, or cannot be written.
        MissingExtra: Parquet without pyarrow.
    """
    if resume and force:
        raise InvalidRequest("--resume and --force are both given: the one keeps an earlier file, the other does not")
    chosen = output_format(target, form)
    columns = list(columns)
    layout = Layout(columns, schema)
    if chosen is OutputFormat.PARQUET:
        check_parquet()
    if target == STDOUT:
        _refuse_resume(target, resume)
        return _to_stream(chosen, layout, OutputFile(stdout or sys.stdout.buffer, "standard output", ours=False))
    path = Path(target)
    if path.is_dir():
        raise InvalidRequest(f"--output {target} is a directory: expected a file")
    if path.exists() and not path.is_file():  # /dev/null, a named pipe
        _refuse_resume(target, resume)
        return _to_stream(chosen, layout, OutputFile(path.open("wb"), target, ours=True))
    how = _Reopening(resume, redo_cut, EarlierLines() if compare and resume else None, force)
    writer = _to_file(chosen, layout, path.resolve(), how)
    writer.earlier = how.earlier
    return writer


@dataclass(frozen=True, slots=True)
class _Reopening:
    """What becomes of a file that is there."""

    resume: bool
    redo_cut: bool
    earlier: EarlierLines | None
    force: bool


def _refuse_resume(target: str, resume: bool) -> None:
    if resume:
        raise InvalidRequest(f"--resume with --output {target}: expected a file; a stream keeps nothing to go on from")


def _to_stream(chosen: OutputFormat, layout: Layout, output: OutputFile) -> ResultsWriter:
    if chosen is OutputFormat.PARQUET:
        return ParquetStream(output, layout)
    if chosen is OutputFormat.CSV:
        return CsvResults(output, Digests(), layout, with_header=True)
    return JsonlResults(output, Digests())


def _to_file(chosen: OutputFormat, layout: Layout, path: Path, how: _Reopening) -> ResultsWriter:
    if chosen is OutputFormat.PARQUET:
        _check_parquet_target(path, resume=how.resume, force=how.force)
        output, known = _file(journal_path(path), JsonlRecords(), how)
        return ParquetResults(JsonlResults(output, known, keep_fields=True), path, layout)
    if chosen is OutputFormat.CSV:
        output, known = _file(path, CsvRecords(layout), how)
        return CsvResults(output, known, layout, with_header=not path.stat().st_size)
    output, known = _file(path, JsonlRecords(), how)
    return JsonlResults(output, known)


def _file(path: Path, records: Records, how: _Reopening) -> tuple[OutputFile, Digests]:
    if how.resume and path.exists():
        stream, known = resumed(path, records, earlier=how.earlier, redo_cut=how.redo_cut)
    else:
        stream, known = create(path, force=how.force), Digests()
    return OutputFile(stream, str(path), ours=True, path=path), known


def _check_parquet_target(path: Path, *, resume: bool, force: bool) -> None:
    if not path.exists() or force:
        return
    if not resume:
        raise InvalidRequest(f"--output {path} exists: use --resume to do only what it is missing, or --force")
    if not journal_path(path).exists():
        raise InvalidRequest(
            f"--resume: {path} has no journal beside it, so it is finished: use --force to write it anew"
        )
