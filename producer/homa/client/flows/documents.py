"""Documents into a run of a flow, and what is to be told of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

from homa.files import BadRow, Places, Row, Skipped, open_inputs, output_format
from homa.files.remote.address import is_address
from homa.files.writers.output_format import FLAT, written_addresses, written_paths
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
    places = _apart_from(output)
    skipped = Skipped()
    rows = open_inputs([fspath(each) for each in given], places=places, skipped=skipped)
    return Documents(rows, keep=output is not None and output_format(output) in FLAT, skipped=skipped)


def _apart_from(output: str | None) -> Places:
    """What is never an input: the results themselves."""
    if output is None:
        return Places()
    return (
        Places(addresses=written_addresses(output))
        if is_address(output)
        else Places(outputs=tuple(written_paths(output)))
    )


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
