"""The results of a run of a flow into a file of any format, in the order of the inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from homa.client.flows.documents import Documents
from homa.client.flows.outcomes import Answer, FlowResult
from homa.client.flows.stored_output import StoredOutput
from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.files import (
    BadRow,
    OutputFormat,
    ResultsWriter,
    bad_row_line,
    open_output,
    output_format,
    result_line,
)
from homa.files.remote.address import is_address
from homa.files.remote.results import checked_address
from homa.files.writers.folder import check_folder
from homa.files.writers.output_format import FOLDERS, STDOUT, written_paths
from homa.files.writers.sqlite import SqliteTable, split_target
from homa.flows.flow import Flow
from homa.submit.response_format import response_format
from homa_shared.model.errors import InvalidRequest


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
        checked_address(place, None)
        return place
    if not force and is_there(place, None):
        raise InvalidRequest(f"output {place} exists: expected another place, or force=True to write it anew")
    check_place(place, None, again=False, force=force)
    return place


def is_there(place: str, form: str | None) -> bool:
    """Whether a place on this machine has results, or what a run that has not ended makes them from; no folder."""
    chosen = output_format(place, form)
    if place == STDOUT or chosen in FOLDERS:
        return False
    file, *made_from, _ = written_paths(place)
    if chosen is OutputFormat.SQLITE:
        # Other tables of the file stay as they are.
        return SqliteTable(file, split_target(place)[1]).exists() or any(each.exists() for each in made_from)
    return file.is_file() or any(each.exists() for each in made_from)


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
        target: a path, `out.sqlite#table`, a folder, an address, or `-`.
        form: one of OutputFormat; None: by the path's ending.
        stored: of an address: it, ready for this run.
    """

    def __init__(
        self, flow: Flow, target: str, form: str | None, documents: Documents, stored: StoredOutput | None = None
    ) -> None:
        self._flow, self._documents = flow, documents
        self.format = output_format(target, form)
        results = flow.results
        schema = results[0].schema if len(results) == 1 else None
        asked = None if schema is None else response_format(schema)["json_schema"]["schema"]
        given: dict[str, Any] = {"columns": documents.columns(), "schema": asked}
        self._writer: ResultsWriter = (
            open_output(target, form, force=target != STDOUT, **given) if stored is None else stored.open(**given)
        )
        self._at = 0
        #: Inputs that have all their answers, and those that lack one.
        self.good = self.failed = 0

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
        self.failed += not result.ok
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
        """Gives the file up as it is. What is not whole is not put in a bucket."""
        elsewhere, self._writer.elsewhere = self._writer.elsewhere, None
        if elsewhere is not None:
            elsewhere.leave()
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


def _line(custom_id: str, answer: Answer) -> dict[str, Any]:
    ended = answered(answer) if isinstance(answer, Reply) else unanswered(answer, None)
    return result_line(custom_id, ended)
