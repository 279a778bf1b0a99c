"""The results of a run: which format, new ones or earlier ones that are resumed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from homa.files.digests import Digests
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import Layout
from homa.files.writers.csv import CsvRecords, CsvResults
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.earlier_line import Records, earlier_line
from homa.files.writers.folder import JOURNAL, FolderResults, check_folder, clear
from homa.files.writers.folder_files import FolderFiles, LocalFiles
from homa.files.writers.journaled import JournaledResults, Table, journal_lines
from homa.files.writers.jsonl import JsonlRecords, JsonlResults
from homa.files.writers.output_file import OutputFile, create, reopen, rewrite
from homa.files.writers.output_format import FOLDERS, STDOUT, STREAMED, TABLES, OutputFormat, output_format
from homa.files.writers.parquet import ParquetStream, ParquetTable
from homa.files.writers.resume import resumed, survey
from homa.files.writers.sqlite import SqliteTable, split_target
from homa.files.writers.xlsx import XlsxTable
from homa_shared.model.errors import InvalidRequest

_DELIMITERS = {OutputFormat.CSV: ",", OutputFormat.TSV: "\t"}


def done(target: str, form: str | None = None) -> Digests:
    """The inputs that a results file has answers for; none if it does not exist. Changes nothing.

    Raises InvalidRequest for a file that is not a results file.
    """
    chosen = output_format(target, form)
    path = Path(split_target(target)[0]).resolve()
    if chosen in FOLDERS:
        path = path / JOURNAL
    elif chosen in TABLES:
        path = _table(chosen, target).journal
    delimiter = _DELIMITERS.get(chosen)
    return survey(path, JsonlRecords() if delimiter is None else CsvRecords(delimiter=delimiter)).done


def earlier_lines(
    target: str,
    form: str | None = None,
    *,
    columns: Iterable[str] = (),
    schema: Mapping[str, Any] | None = None,
    cite: bool = False,
) -> EarlierLines:
    """The lines that results of an earlier run hold, as a look; arguments and errors are those of `open_output`."""
    chosen, layout, earlier = output_format(target, form), Layout(columns, schema, cite=cite), EarlierLines()
    path, records = Path(target).resolve(), JsonlRecords(keep_fields=chosen in TABLES)
    if chosen in _DELIMITERS:
        survey(path, CsvRecords(layout, _DELIMITERS[chosen]), earlier=earlier)
    elif chosen in TABLES:
        table = _table(chosen, target)
        table.check(layout)
        if table.journal.exists():
            survey(table.journal, records, earlier=earlier)
        elif table.exists():
            for record in table.read(layout):
                line, fields = layout.line(record)
                earlier.add(earlier_line({**line, "input": fields}, b""))
    else:
        survey(path / JOURNAL if chosen in FOLDERS else path, records, earlier=earlier)
    return earlier


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
    cite: bool = False,
    stdout: IO[bytes] | None = None,
    files: FolderFiles | None = None,
) -> ResultsWriter:
    """Open a results file.

    Args:
        target: a path, `out.sqlite#table`, a folder, or `-` for standard output.
        form: one of OutputFormat; default by the path's ending.
        resume: keep the answers of an earlier run (`ResultsWriter.done`), take out its failures and its torn end.
        redo_cut: take out answers that were cut, too.
        compare: with `resume`, leave all lines in the file and have them in `ResultsWriter.earlier`, until what becomes
            of each is decided and `ResultsWriter.revise` is called.
        force: write an existing file anew.
        columns: the input's columns, for formats that have columns.
        schema: JSON schema of the replies, whose fields become columns there.
        cite: answers carry quotes, which become a column there.
        stdout: where `-` leads; default the process's own.
        files: where a folder's files go; default beside its journal, into the folder.

    Raises:
        InvalidRequest: the file exists and neither `resume` nor `force` is given, is not a results file, has other
            columns, is being written by another run, or cannot be written.
        MissingExtra: what the format needs is not installed.
    """
    if resume and force:
        raise InvalidRequest("--resume and --force are both given: the one keeps an earlier file, the other does not")
    chosen = output_format(target, form)
    columns = list(columns)
    layout = Layout(columns, schema, cite=cite)
    table = _table(chosen, target) if chosen in TABLES else None
    if table is not None:
        table.check(layout)
    if target == STDOUT:
        _refuse_resume(target, resume)
        return _to_stream(chosen, layout, OutputFile(stdout or sys.stdout.buffer, "standard output", ours=False))
    path = Path(split_target(target)[0])
    if path.is_dir() and chosen not in FOLDERS:
        raise InvalidRequest(f"--output {target} is a directory: expected a file, or --format md, json or txt")
    if path.exists() and not path.is_file() and not path.is_dir():  # /dev/null, a named pipe
        _refuse_resume(target, resume)
        return _to_stream(chosen, layout, OutputFile(path.open("wb"), target, ours=True))
    how = _Reopening(resume, redo_cut, EarlierLines() if compare and resume else None, force)
    if table is not None:
        writer: ResultsWriter = _to_table(table, layout, how)
    elif chosen in FOLDERS:
        writer = _to_folder(chosen, path.resolve(), how, files or LocalFiles(path.resolve()))
    else:
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
    if chosen not in STREAMED:
        raise InvalidRequest(
            f"--format {chosen} to a stream: expected --output with a place for it, or another --format"
        )
    if chosen is OutputFormat.PARQUET:
        return ParquetStream(output, layout)
    if chosen in _DELIMITERS:
        return CsvResults(output, Digests(), layout, with_header=True, delimiter=_DELIMITERS[chosen])
    return JsonlResults(output, Digests())


def _to_file(chosen: OutputFormat, layout: Layout, path: Path, how: _Reopening) -> ResultsWriter:
    if chosen not in _DELIMITERS:
        return JsonlResults(*_file(path, JsonlRecords(), how))
    delimiter = _DELIMITERS[chosen]
    output, known = _file(path, CsvRecords(layout, delimiter), how)
    return CsvResults(output, known, layout, with_header=not path.stat().st_size, delimiter=delimiter)


def _to_table(table: Table, layout: Layout, how: _Reopening) -> ResultsWriter:
    if table.exists() and not (how.resume or how.force):
        raise InvalidRequest(f"--output {table.name} exists: use --resume to do only what it is missing, or --force")
    if how.resume and table.exists() and not table.journal.exists():
        rewrite(table.journal, lambda out: out.writelines(journal_lines(layout, table.read(layout)))).close()
    journal = JsonlResults(*_file(table.journal, JsonlRecords(keep_fields=True), how), keep_fields=True)
    return JournaledResults(journal, table, layout)


def _to_folder(chosen: OutputFormat, folder: Path, how: _Reopening, files: FolderFiles) -> ResultsWriter:
    check_folder(folder, resume=how.resume, force=how.force)
    if how.force and (folder / JOURNAL).exists():
        with reopen(folder / JOURNAL):  # its lock: the files may be those of a run that is under way
            clear(folder, chosen, files)
    journal = JsonlResults(*_file(folder / JOURNAL, JsonlRecords(), how))
    return FolderResults(journal, folder, chosen, files)


def _table(chosen: OutputFormat, target: str) -> Table:
    file, table = split_target(target)
    path = Path(file).resolve()
    if chosen is OutputFormat.PARQUET:
        return ParquetTable(path)
    return XlsxTable(path) if chosen is OutputFormat.XLSX else SqliteTable(path, table)


def _file(path: Path, records: Records, how: _Reopening) -> tuple[OutputFile, Digests]:
    if how.resume and path.exists():
        stream, known = resumed(path, records, earlier=how.earlier, redo_cut=how.redo_cut)
    else:
        stream, known = create(path, force=how.force), Digests()
    return OutputFile(stream, str(path), ours=True, path=path), known
