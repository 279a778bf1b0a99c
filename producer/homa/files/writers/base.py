"""What every format of results file has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Self

from homa.files.digests import Digests
from homa.files.result_line import is_cut_line, is_good

NO_FIELDS: Mapping[str, Any] = MappingProxyType({})


class ResultsWriter(ABC):
    """Takes one line per input, in order of completion. As a context manager it closes itself, unfinished."""

    def __init__(self, done: Digests) -> None:
        #: Inputs that have an answer from an earlier run: these are not to be done again.
        self.done = done
        #: Lines written by this run.
        self.written = 0
        #: Those of them without an answer.
        self.failed = 0
        #: Those of them whose answer was cut.
        self.cut = 0

    def write(self, line: Mapping[str, Any], fields: Mapping[str, Any] = NO_FIELDS) -> None:
        """Write a line of `result_line`, with its input's fields where the format has columns for them.

        Raises OutputUnwritable when the file takes no more.
        """
        self._append(line, fields)
        self.written += 1
        self.failed += not is_good(line)
        self.cut += is_cut_line(line)

    def close(self, *, finished: bool = False) -> None:
        """Have everything on disk. `finished`: every input has its line now, so nothing is left to resume."""
        self._close(finished=finished)

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
        self.close()
