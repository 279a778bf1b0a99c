"""Results as JSON Lines: the whole line as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from homa.files.digests import Digests
from homa.files.result_line import line_bytes
from homa.files.units.unit import unit_in
from homa.files.writers.base import ResultsWriter
from homa.files.writers.earlier_line import EarlierLine, Revision, earlier_line, fields_digest
from homa.files.writers.output_file import OutputFile
from homa.files.writers.resume import no_results


class JsonlResults(ResultsWriter):
    """Appends each line as it comes; with `keep_fields` with the input's fields beside it, as a journal needs them."""

    def __init__(self, output: OutputFile, done: Digests, *, keep_fields: bool = False) -> None:
        super().__init__(done, JsonlRecords(keep_fields=keep_fields))
        self._output = output
        self._keep_fields = keep_fields

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._output.append(line_bytes({**line, "input": dict(fields)} if self._keep_fields else line))

    def lines_file(self) -> OutputFile:
        return self._output

    def _close(self, *, finished: bool) -> None:
        self._output.close()


class JsonlRecords:
    """How lines are read back."""

    def scan(self, path: Path) -> Iterator[EarlierLine]:
        """The lines of an earlier run, up to a torn last one."""
        left = path.stat().st_size
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, 1):
                left -= len(raw)
                line = read_line(raw)
                if line is not None and (not self._keep_fields or isinstance(line.get("input"), dict)):
                    # A last line that is whole but for its newline is kept: its answer is paid for.
                    yield earlier_line(line, raw.rstrip(b"\n") + b"\n")
                elif left > 0 and raw.strip(b"\0\n"):  # a power cut may leave zeros
                    raise no_results(path, number, "is not a result line")

    def __init__(self, *, keep_fields: bool = False) -> None:
        self._keep_fields = keep_fields

    def revised(self, line: EarlierLine, revision: Revision, order: str) -> bytes:
        # Not orjson: a journal has the input's fields, and a number among them beyond 64 bits is to stay as it is.
        document: dict[str, Any] = json.loads(line.raw)
        document["custom_id"] = revision.custom_id
        if revision.row:
            document["homa"] = {**document["homa"], "row": revision.row, "order": order}
        if revision.fields is not None and self._keep_fields:
            document["input"] = revision.fields
        if revision.fields is not None and (unit := unit_in(revision.fields)):
            # Where the part of the document stands now.
            document["homa"] = {**document["homa"], "unit": unit}
        return line_bytes(document)

    def inputs(self, fields: Mapping[str, Any]) -> str:
        if self._keep_fields:
            return fields_digest(fields)
        return fields_digest(unit) if (unit := unit_in(fields)) else ""


def read_line(raw: bytes) -> dict[str, Any] | None:
    """A result line, or None for anything else."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("custom_id"), str):
        return None
    return line if {"response", "error", "homa"} <= line.keys() and _tells_its_end(line) else None


def _tells_its_end(line: Mapping[str, Any]) -> bool:
    """Whether a line that somebody may have edited has an error, or an answer, as `result_line` writes them."""
    response, error = line["response"], line["error"]
    if error is not None:
        return isinstance(error, dict) and {"code", "message"} <= error.keys()
    body = response.get("body") if isinstance(response, dict) else None
    choices = (body.get("choices") or []) if isinstance(body, dict) else None
    return isinstance(choices, list) and all(isinstance(choice, dict) for choice in choices)
