"""Documents into a run of a flow, and its results into a file of any format, in the order of the inputs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from homa.client.flows.outcomes import Answer, FlowResult
from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.files import (
    BadRow,
    OutputFormat,
    Places,
    ResultsWriter,
    Row,
    Skipped,
    bad_row_line,
    open_inputs,
    open_output,
    output_format,
    result_line,
)
from homa.files.remote.address import is_address
from homa.files.writers.folder import check_folder
from homa.files.writers.output_format import FLAT, FOLDERS, STDOUT, written_paths
from homa.files.writers.sqlite import split_target
from homa.flows.flow import Flow
from homa.submit.response_format import response_format
from homa_shared.model.errors import InvalidRequest

_log = logging.getLogger("homa")
#: Rows that columns are looked for in.
_HEAD = 1000
_IMAGE = "is an image, or a scan without text, which flows cannot show to a model"


@dataclass(slots=True)
class Documents:
    """Files as inputs of a run: what becomes of each row is told in the end.

    Args:
        rows: as they were read.
        keep: whether fields are kept for a format that has columns for them.
    """

    rows: Iterable[Row | BadRow]
    keep: bool = False
    #: In the order of the inputs: an id, or the row that cannot be sent.
    lines: list[str | BadRow] = field(default_factory=list)
    fields: list[Mapping[str, Any]] = field(default_factory=list)
    #: Place among the lines -> what is to be known of that document, as that its encoding was guessed.
    notes: dict[int, Sequence[str]] = field(default_factory=dict)
    #: What was passed over, and what is to be told of files that were read.
    skipped: Skipped = field(default_factory=Skipped)

    def items(self) -> Iterator[Any]:
        """Rows (`Row`) that can be sent, which a run takes as inputs."""
        for row in self.rows:
            if isinstance(row, Row) and row.images:
                row = row.rejected(_IMAGE)
            if isinstance(row, BadRow):
                self.lines.append(row)
                self.fields.append({})
                continue
            if row.notes:
                self.notes[len(self.lines)] = row.notes
            self.lines.append(row.custom_id)
            self.fields.append(row.fields if self.keep else {})
            yield row

    def columns(self) -> list[str]:
        """Names of the rows' fields, in the order of their appearance."""
        return list(dict.fromkeys(name for each in self.fields[:_HEAD] for name in each))


def documents_of(inputs: object, output: str | None) -> Documents | None:
    """Files that an application names as inputs; None where it gives inputs themselves.

    Raises:
        InvalidRequest: a name leads nowhere, or names and inputs are mixed.
    """
    given = [inputs] if isinstance(inputs, str | PathLike) else inputs
    if not isinstance(given, Sequence) or not any(isinstance(each, str | PathLike) for each in given):
        return None
    if not all(isinstance(each, str | PathLike) for each in given):
        raise InvalidRequest("inputs are names of files and fields beside one another: expected the one or the other")
    places = Places(outputs=tuple(written_paths(output)) if output is not None else ())
    skipped = Skipped()
    rows = open_inputs([fspath(each) for each in given], places=places, skipped=skipped)
    return Documents(rows, keep=output is not None and output_format(output) in FLAT, skipped=skipped)


def checked_output(output: object, *, force: bool) -> str | None:
    """A place for results as text.

    Raises:
        InvalidRequest: it is none, is not of a known format, or is there and not to be written anew.
    """
    if output is None:
        return None
    if not isinstance(output, str | PathLike) or not fspath(output):
        raise InvalidRequest(f"output is {output!r:.80}: expected a path, such as facts.parquet")
    place = fspath(output)
    if is_address(place):
        raise InvalidRequest(f"output is {place}: expected a file or folder of this machine, which a flow writes")
    file = Path(split_target(place)[0])
    if file.is_file() and not force:
        raise InvalidRequest(f"output {place} exists: expected another place, or force=True to write it anew")
    check_place(place, None, again=False, force=force)
    return place


def check_place(place: str, form: str | None, *, again: bool, force: bool) -> None:
    """Looks whether results can be written to a place, before anything is paid for.

    Args:
        again: whether a folder may hold earlier results.

    Raises:
        InvalidRequest: its format is not known, or they cannot.
    """
    if output_format(place, form) in FOLDERS:
        check_folder(Path(place).resolve(), resume=again and not force, force=force)
        return
    folder = Path(split_target(place)[0]).resolve().parent
    if place != STDOUT and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise InvalidRequest(f"output {place} cannot be written: {folder} is no folder that this process may write to")


class FlowResults:
    """The results of a run on their way into a file.

    Args:
        target: a path, `out.sqlite#table`, a folder, or `-`.
        form: one of OutputFormat; None: by the path's ending.
    """

    def __init__(self, flow: Flow, target: str, form: str | None, documents: Documents) -> None:
        self._flow, self._documents = flow, documents
        self.format = output_format(target, form)
        results = flow.results
        schema = results[0].schema if len(results) == 1 else None
        asked = None if schema is None else response_format(schema)["json_schema"]["schema"]
        columns = documents.columns()
        self._writer: ResultsWriter = open_output(target, form, force=target != "-", columns=columns, schema=asked)
        self._at = 0
        #: Inputs that have all their answers.
        self.good = 0

    def write(self, result: FlowResult) -> None:
        """Writes what has become of an input, behind the rows before it that could not be sent.

        Raises:
            OutputUnwritable: the file takes no more.
        """
        self._write_refused()
        lines, at = self._documents.lines, self._at
        known = lines[at] if at < len(lines) else f"input {result.number}"
        fields = self._documents.fields[at] if at < len(self._documents.fields) else {}
        notes = self._documents.notes.get(at, ())
        self._at += 1
        self.good += result.ok
        lines_here = (
            [_whole_line(str(known), result)] if self.format is OutputFormat.JSONL else lines_of(str(known), result)
        )
        for line in lines_here:
            self._writer.write(
                {**line, "homa": {**line.get("homa", {}), "notes": list(notes)}} if notes else line, fields
            )

    def write_answer(self, step: str, answer: Answer) -> None:
        """Writes the answer of a step that is done once for all inputs, under the step's name."""
        self._writer.write(_line(step, answer))

    def close(self) -> None:
        """Writes what is left; the file is whole."""
        self._write_refused()
        self._writer.close(finished=True)

    def leave(self) -> None:
        """Gives the file up as it is."""
        self._writer.close()

    def _write_refused(self) -> None:
        lines = self._documents.lines
        while self._at < len(lines) and isinstance(bad := lines[self._at], BadRow):
            self._writer.write(bad_row_line(bad))
            self._at += 1


def _whole_line(custom_id: str, result: FlowResult) -> dict[str, Any]:
    """The line of an input that has one, whatever answers it has."""
    missing = {"missing": {step: list(parts) for step, parts in result.missing.items()}} if result.missing else {}
    answers = {
        step: _line(custom_id, said) if isinstance(said, Reply | Failure) else [_line(custom_id, each) for each in said]
        for step, said in result.answers.items()
    }
    if len(answers) == 1 and isinstance(only := next(iter(answers.values())), dict):
        return {**only, **missing}
    return {"custom_id": custom_id, "answers": answers, **missing}


def lines_of(custom_id: str, result: FlowResult) -> Iterator[dict[str, Any]]:
    """Lines of results files: of several answers one each, `id#step`, and `id#step.part` of parts."""
    for step, said in result.answers.items():
        if isinstance(said, Reply | Failure):
            name = custom_id if len(result.answers) == 1 else f"{custom_id}#{step}"
            missing = {"missing": {step: list(result.missing[step])}} if step in result.missing else {}
            yield {**_line(name, said), **missing}
            continue
        for part, answer in enumerate(said):
            yield _line(f"{custom_id}#{step}.{part}", answer)


def tell_refused(documents: Documents) -> None:
    """Logs rows that could not be sent, and what was guessed of others, where no file tells of them."""
    for at, line in enumerate(documents.lines):
        if isinstance(line, BadRow):
            _log.warning("%s", line)
        for note in documents.notes.get(at, ()):
            _log.warning("%s: %s", line, note)


def tell_remarks(documents: Documents | None, cut: Sequence[str]) -> None:
    """Logs what somebody might not expect of the inputs.

    Args:
        cut: of documents that were cut into units.
    """
    skipped = Skipped() if documents is None else documents.skipped
    for remark in (*skipped.remarks, *([str(skipped)] if skipped.total else []), *cut):
        _log.warning("%s", remark)


def _line(custom_id: str, answer: Answer) -> dict[str, Any]:
    ended = answered(answer) if isinstance(answer, Reply) else unanswered(answer, None)
    return result_line(custom_id, ended)
