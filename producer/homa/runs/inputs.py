"""The rows of a run: read from the start as often as they are needed, standard input included."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO

from homa.files import BadRow, InputCount, Row, Skipped, check_inputs, count_inputs, limited, open_inputs, sampled

STDIN = "-"


@dataclass(slots=True)
class RunInputs:
    """Which rows a run has.

    Args:
        inputs: files, directories, globs, `-`.
        limit: most rows, from the first on.
        sample: most rows, drawn evenly; `seed` draws the same ones again.
    """

    inputs: tuple[str, ...]
    encoding: str = "utf-8"
    id_column: str | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    #: What was passed over the last time that all rows were read.
    skipped: Skipped = field(default_factory=Skipped)
    _spool: IO[bytes] | None = None

    def check(self) -> None:
        """Raises InvalidRequest for inputs that lead nowhere."""
        check_inputs(self.inputs, encoding=self.encoding)

    def keep_stdin(self) -> None:
        """Copies standard input to a temporary file, so that it can be read again."""
        if STDIN in self.inputs and self._spool is None:
            self._spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the run
            shutil.copyfileobj(sys.stdin.buffer, self._spool)

    def close(self) -> None:
        """Forgets the copy of standard input."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows, from the first one on. Standard input can be read once, unless it is kept."""
        if self._spool is not None:
            self._spool.seek(0)
        self.skipped = Skipped()
        rows: Iterable[Row | BadRow] = open_inputs(
            self.inputs,
            encoding=self.encoding,
            id_column=self.id_column,
            stdin=self._spool,
            skipped=self.skipped,
        )
        if self.sample is not None:
            rows = sampled(rows, self.sample, self.seed)
        if self.limit is not None:
            rows = limited(rows, self.limit)
        return iter(rows)

    def count(self) -> int | None:
        """About how many rows there are; None where nobody knows before the end."""
        found: InputCount = count_inputs(self.inputs, encoding=self.encoding)
        if found.open_ended:
            return None
        return min([found.rows, *(most for most in (self.limit, self.sample) if most is not None)])
