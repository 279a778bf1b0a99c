"""What an earlier run left in a results file: which inputs are done, and the file without what has to be done again.

Done is an input with an answer; where that is asked for, with one that was not cut. A failed line counts as missing: it
is taken out, at once or, where the run first compares its rows with the lines (`EarlierLines`), when it is to be done
anew. A torn last line, which kill -9 or a power cut left, goes at once. So every input has one line at the end, however
often a run was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from homa.files.digests import Digests
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.earlier_line import EarlierLine, Records
from homa.files.writers.output_file import reopen, rewrite
from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Survey:
    """What is done, and whether the file holds anything beside it."""

    done: Digests
    #: The file is those records and nothing else.
    whole: bool


def survey(path: Path, records: Records, *, earlier: EarlierLines | None = None, redo_cut: bool = False) -> Survey:
    """Which inputs have an answer; an absent file has none.

    Args:
        earlier: is given the lines, failed ones too, which then stay.
    """
    done = Digests()
    if not path.exists():
        return Survey(done, whole=True)
    whole = True
    with path.open("rb") as stream:
        for raw in _kept(path, records, done, failed_too=earlier is not None, earlier=earlier, redo_cut=redo_cut):
            # Lengths alone would not tell: a newline added here may make up for a blank line left out there.
            whole = whole and stream.read(len(raw)) == raw
        return Survey(done, whole=whole and not stream.read(1))


def resumed(
    path: Path, records: Records, *, earlier: EarlierLines | None = None, redo_cut: bool = False
) -> tuple[IO[bytes], Digests]:
    """The file open for appending, without its torn end and, unless `earlier` has them, failed lines; what is done."""
    stream = reopen(path)
    try:
        found = survey(path, records, earlier=earlier, redo_cut=redo_cut)
        if not found.whole:
            kept = _kept(path, records, Digests(), failed_too=earlier is not None, redo_cut=redo_cut)
            rewritten = rewrite(path, lambda out: out.writelines(kept))
            stream.close()
            stream = rewritten
    except BaseException:
        stream.close()
        raise
    return stream, found.done


def revised(path: Path, records: Records, earlier: EarlierLines, order: str) -> Iterator[bytes]:
    """The file's records as they are to stand in it."""
    for line in records.scan(path):
        if line.custom_id is None:
            yield line.raw
        elif (found := earlier.revision(line)) is not None:
            same = found.custom_id == line.custom_id and not found.row and found.fields is None
            yield line.raw if same else records.revised(line, found, order)


def _kept(
    path: Path,
    records: Records,
    done: Digests,
    *,
    failed_too: bool,
    redo_cut: bool,
    earlier: EarlierLines | None = None,
) -> Iterator[bytes]:
    failed = Digests()
    for entry in records.scan(path):
        if entry.custom_id is None:
            yield entry.raw
            continue
        good = entry.good and not (redo_cut and entry.cut)
        if done.add(entry.custom_id) if good else failed_too and failed.add(entry.custom_id):
            if earlier is not None:
                earlier.add(entry)
            yield entry.raw


def no_results(path: Path, line: int, found: str) -> InvalidRequest:
    """The error for a file that no run of Homa wrote: resuming would destroy it."""
    return InvalidRequest(
        f"--resume: line {line} of {path} {found}: expected a results file of an earlier run; choose another --output"
    )


def no_table(name: str, found: str) -> InvalidRequest:
    """The same for a table."""
    return InvalidRequest(f"--resume: {name} {found}: expected the results of an earlier run; choose another --output")


__all__ = ["EarlierLine", "Records", "Survey", "no_results", "no_table", "resumed", "revised", "survey"]
