"""What every format of results file has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from homa.files.digests import Digests
from homa.files.result_line import is_cut_line, is_good
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.earlier_line import End, Records, earlier_line
from homa.files.writers.output_file import OutputFile
from homa.files.writers.resume import revised

NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


class Elsewhere(Protocol):
    """A place beyond this machine's disk, to which results go."""

    def save(self) -> None: ...

    def publish(self, *, finished: bool) -> None: ...

    def leave(self) -> None:
        """Writes nothing more; what is on this machine's disk stays."""


class ResultsWriter(ABC):
    """Takes one line per input, in order of completion. As a context manager it closes itself, unfinished."""

    def __init__(self, done: Digests, records: Records | None = None) -> None:
        #: Inputs that have an answer from an earlier run: these are not to be done again.
        self.done = done
        self._records = records
        #: Lines that the file holds, where a run compares its rows with them.
        self.earlier: EarlierLines | None = None
        #: Lines written by this run.
        self.written = 0
        #: Those of them without an answer.
        self.failed = 0
        #: Those of them whose answer was cut.
        self.cut = 0
        #: Where the results go once they are on this machine's disk; None where that is their place.
        self.elsewhere: Elsewhere | None = None

    def write(self, line: Mapping[str, Any], fields: Mapping[str, Any] = NO_FIELDS) -> None:
        """Write a line of `result_line`, with its input's fields where the format has columns for them.

        Raises OutputUnwritable when the file takes no more.
        """
        self._append(line, fields)
        self.written += 1
        self.failed += not is_good(line)
        self.cut += is_cut_line(line)
        if self.earlier is not None:
            self.earlier.add(earlier_line(line, b""), now=True)

    def revise(self, order: str) -> None:
        """Bring the file to what was decided on its earlier lines, in one step; what is to be done anew has none.

        Args:
            order: digest that lines get beside the digest of their row, where they had none.
        """
        earlier, output = self.earlier, self.lines_file()
        records = self._records
        if earlier is None or records is None or output is None:
            return
        if earlier.revised:
            output.rewrite(lambda path: revised(path, records, earlier, order))
        self.done = Digests()
        for custom_id, end in earlier.kept():
            self.done.add(custom_id)
            self.failed += not end.good and end is not End.ENDED_NOW
            self.cut += end is End.CUT
        self.earlier = None
        earlier.close()

    def inputs_digest(self, fields: Mapping[str, Any]) -> str:
        """The digest of an input's columns as the file holds them; empty where it does not."""
        return "" if self._records is None else self._records.inputs(fields)

    def sync(self) -> None:
        """Have every line on the disk."""
        if (output := self.lines_file()) is not None:
            output.sync()

    def save(self) -> None:
        """Have what is written where a run on another machine finds it. Raises OutputUnwritable where it cannot be."""
        if self.elsewhere is not None:
            self.sync()
            self.elsewhere.save()

    def lines_file(self) -> OutputFile | None:
        """The file that holds the lines; None for a stream that nobody reads back."""
        return None

    def close(self, *, finished: bool = False) -> None:
        """Have everything on disk. `finished`: every input has its line now, so nothing is left to resume."""
        if self.earlier is not None:
            self.earlier.close()
            self.earlier = None
        self._close(finished=finished)
        elsewhere, self.elsewhere = self.elsewhere, None
        if elsewhere is not None:
            elsewhere.publish(finished=finished)

    @abstractmethod
    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _close(self, *, finished: bool) -> None: ...

    @property
    def left_out(self) -> frozenset[str]:
        """Names of input fields for which the file has no column."""
        return frozenset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self.elsewhere is not None:
            # What is on this machine's disk is found by the next run; nothing more is tried now.
            self.elsewhere.leave()
            self.elsewhere = None
        self.close()
