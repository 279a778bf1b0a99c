"""What an earlier run left in a results file: which inputs are done, and the file without what has to be done again.

Done is an input with an answer; where that is asked for, with one that was not cut. A failed line counts as missing: on
resume it is taken out first, in one step with any torn last line that kill -9 or a power cut left, and its input then
gets a new line like all others. So every input has one line at the end, however often a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from homa.files.digests import Digests
from homa.files.writers.output_file import reopen, rewrite
from homa_shared.model.errors import InvalidRequest


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


#: Reads a file's whole records in order, up to a torn last one; raises InvalidRequest for a file of another kind.
Scan = Callable[[Path], Iterator[EarlierLine]]


@dataclass(frozen=True, slots=True)
class Survey:
    """What is done, and whether the file holds anything beside it."""

    done: Digests
    #: The file is those records and nothing else.
    whole: bool


def survey(path: Path, scan: Scan) -> Survey:
    """Which inputs have an answer; an absent file has none."""
    done = Digests()
    if not path.exists():
        return Survey(done, whole=True)
    whole = True
    with path.open("rb") as stream:
        for raw in _kept(path, scan, done):
            # Lengths alone would not tell: a newline added here may make up for a blank line left out there.
            whole = whole and stream.read(len(raw)) == raw
        return Survey(done, whole=whole and not stream.read(1))


def resumed(path: Path, scan: Scan) -> tuple[IO[bytes], Digests]:
    """The file open for appending, without failed lines and torn end, and the inputs that are done."""
    stream = reopen(path)
    try:
        found = survey(path, scan)
        if not found.whole:
            rewritten = rewrite(path, lambda out: out.writelines(_kept(path, scan, Digests())))
            stream.close()
            stream = rewritten
    except BaseException:
        stream.close()
        raise
    return stream, found.done


def without_cut(scan: Scan) -> Scan:
    """A scan by which answers that were cut count as missing."""

    def scan_again(path: Path) -> Iterator[EarlierLine]:
        for entry in scan(path):
            yield replace(entry, good=False) if entry.cut else entry

    return scan_again


def _kept(path: Path, scan: Scan, done: Digests) -> Iterator[bytes]:
    for entry in scan(path):
        if entry.custom_id is None or (entry.good and done.add(entry.custom_id)):
            yield entry.raw


def no_results(path: Path, line: int, found: str) -> InvalidRequest:
    """The error for a file that no run of Homa wrote: resuming would destroy it."""
    return InvalidRequest(
        f"--resume: line {line} of {path} {found}: expected a results file of an earlier run; choose another --output"
    )
