"""A line of an earlier run as it stands in a results file, and how its input ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from homa.files.result_line import INVALID_INPUT, SKIPPED, is_cut_line, is_good
from homa_shared.calls.failures import ErrorKind

#: What can be done anew beside what is new or changed (`--retry`).
TRUNCATED, INVALID, FAILED = "truncated", "invalid", "failed"
RETRIES = (TRUNCATED, INVALID, FAILED)
_INVALID_CODES = frozenset({ErrorKind.MALFORMED, ErrorKind.UNUSABLE_REPLY})
#: Error code of an answer by schema, or of a tool call, that was cut.
_CUT_CODE = "cut"


class End(IntEnum):
    """How an input ended; those that have an answer come first."""

    ANSWERED = 0
    #: It quotes what its text does not have.
    UNVERIFIED = 1
    CUT = 2
    CUT_FAILED = 3
    INVALID = 4
    FAILED = 5
    #: It failed in this very run.
    ENDED_NOW = 6
    #: It could not be sent: that is found out anew each time.
    NEVER_SENT = 7

    @property
    def good(self) -> bool:
        return self <= End.CUT

    def retried(self, asked: frozenset[str]) -> str:
        """By which of the kinds asked for (RETRIES) it is done anew; empty: it is not."""
        return next((kind for kind in _KINDS[self] if kind in asked), "")


_KINDS: dict[End, tuple[str, ...]] = {
    End.ANSWERED: (),
    End.UNVERIFIED: (INVALID,),
    End.CUT: (TRUNCATED,),
    End.CUT_FAILED: (TRUNCATED, FAILED),
    End.INVALID: (INVALID, FAILED),
    End.FAILED: (FAILED,),
    End.ENDED_NOW: (),
    End.NEVER_SENT: RETRIES,
}


@dataclass(frozen=True, slots=True)
class EarlierLine:
    """A whole record of an earlier run."""

    #: None for a header.
    custom_id: str | None
    #: It holds an answer.
    good: bool
    #: The answer was cut at its output cap.
    cut: bool
    #: As it stands in the file.
    raw: bytes = field(repr=False)
    #: Digests of what it answers; empty in files of releases that wrote none.
    row: str = ""
    order: str = ""
    #: Of its error.
    code: str = ""
    #: Digest of the input's columns that stand beside the answer; empty where none do.
    inputs: str = ""
    #: The answer quotes what its text does not have.
    unverified: bool = False

    @property
    def end(self) -> End:
        if self.good and not self.cut:
            return End.UNVERIFIED if self.unverified else End.ANSWERED
        if self.good:
            return End.CUT
        if self.code in (INVALID_INPUT, SKIPPED):
            return End.NEVER_SENT
        if self.code == _CUT_CODE:
            return End.CUT_FAILED
        return End.INVALID if self.code in _INVALID_CODES else End.FAILED


@dataclass(frozen=True, slots=True)
class Revision:
    """A line as its row has it now."""

    custom_id: str
    #: Digest that it lacked; empty: as it is.
    row: str = ""
    #: Columns of its input; None: as they are.
    fields: Mapping[str, Any] | None = None


class Records(Protocol):
    """How a format's file is read back."""

    def scan(self, path: Path) -> Iterator[EarlierLine]:
        """A file's whole records in order, up to a torn last one; raises InvalidRequest for a file of another kind."""
        ...

    def revised(self, line: EarlierLine, revision: Revision, order: str) -> bytes:
        """A record under another id or with other columns of its input; with digests where it had none."""
        ...

    def inputs(self, fields: Mapping[str, Any]) -> str:
        """The digest of an input's columns, as they would stand beside the answer; empty where they do not."""
        ...


def earlier_line(line: Mapping[str, Any], raw: bytes) -> EarlierLine:
    """A line of `result_line`, read back."""
    good = is_good(line)
    homa = line["homa"] if isinstance(line["homa"], dict) else {}
    error = line["error"] if isinstance(line["error"], dict) else {}
    return EarlierLine(
        line["custom_id"],
        good,
        is_cut_line(line),
        raw,
        _text(homa.get("row")),
        _text(homa.get("order")),
        _text(error.get("code")),
        _inputs_digest(line, homa),
        good and bool(homa.get("unverified")),
    )


def _inputs_digest(line: Mapping[str, Any], homa: Mapping[str, Any]) -> str:
    """Of its input's columns, where it has them, else of which part of a document it is about."""
    found = next((each for each in (line.get("input"), homa.get("unit")) if isinstance(each, dict)), None)
    return "" if found is None else fields_digest(found)


def fields_digest(fields: Mapping[str, Any]) -> str:
    """A digest of fields as JSON has them; one that is null is as good as none."""
    said = {name: value for name, value in fields.items() if value is not None}
    return cells_digest([json.dumps(said, sort_keys=True, default=str)])


def cells_digest(cells: Iterable[str]) -> str:
    """A digest of cells."""
    return blake2b("\0".join(cells).encode(errors="replace"), digest_size=8).hexdigest()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
