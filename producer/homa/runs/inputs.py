"""The rows of a run: read from the start as often as they are needed, pipes included."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from homa.files import (
    BadRow,
    InputCount,
    Places,
    ReadOptions,
    Row,
    Skipped,
    check_inputs,
    count_inputs,
    limited,
    open_inputs,
    sampled,
)
from homa.files.readers.roots import Root, roots_of, shown
from homa.files.remote.address import address_of, is_address
from homa.files.remote.objects import Unfetchable
from homa.files.remote.web import WebFile
from homa.files.units.cutting import in_units
from homa.files.units.measure import Measure
from homa.files.units.unit import Units
from homa.files.writers.output_format import written_addresses, written_paths
from homa.runs.checkpoint import CheckpointFile
from homa_shared.model.errors import InvalidRequest

STDIN = "-"


@dataclass
class RunInputs:
    """Which rows a run has.

    Args:
        inputs: files, directories, globs, `-`.
        options: how they are read.
        limit: most rows, from the first on.
        sample: most rows, drawn evenly; `seed` draws the same ones again.
        output: where the results go; never an input.
        within: directories that files lie in; None: anywhere.
        units: what of a document is a row.
    """

    inputs: tuple[str, ...]
    options: ReadOptions = field(default_factory=ReadOptions)
    id_column: str | None = None
    limit: int | None = None
    sample: int | None = None
    seed: int = 0
    output: str = STDIN
    within: tuple[str, ...] | None = None
    units: Units = field(default_factory=Units)
    #: The model that tokens of units are counted for, by its provider's name of it; empty while nobody knows.
    counted_as: str = ""
    #: What was passed over the last time that all rows were read.
    skipped: Skipped = field(default_factory=Skipped)
    _copies: dict[str, Path] = field(default_factory=dict)
    #: Of copies of what web servers sent: names that tell their kinds.
    _names: dict[str, str] = field(default_factory=dict)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def places(self) -> Places:
        if self.output == STDIN:
            return Places(self._copies, within=self.within, names=self._names)
        if is_address(self.output):
            return Places(self._copies, within=self.within, names=self._names, addresses=written_addresses(self.output))
        notes = [path for path in (CheckpointFile(self.output).path,) if path is not None]
        return Places(self._copies, (*written_paths(self.output), *notes), self.within, self._names)

    def check(self) -> None:
        """Raises InvalidRequest for inputs that lead nowhere, or to the output."""
        check_inputs(self.inputs, options=self.options, places=self.places)

    def keep_pipes(self) -> None:
        """Copies what can be read only once, or is to be the same each time it is read, to temporary files.

        That is standard input, named pipes, `<(…)`, and what web servers send.
        """
        for given in self.inputs:
            if given in self._copies:
                continue
            if is_address(given):
                self._fetch(given)
            elif _is_pipe(given):
                copy = self._new_copy()
                _copy(given, copy)
                self._copies[given] = copy

    def _fetch(self, given: str) -> None:
        address = address_of(given)
        if address.is_web:
            copy = self._new_copy()
            try:
                self._names[given] = WebFile(given, address, self.within).copy(copy)
            except Unfetchable as error:
                raise InvalidRequest(f"INPUT {address} {error}") from None
            self._copies[given] = copy

    def _new_copy(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="homa-")
        return Path(self._folder.name, str(len(self._copies)))

    def close(self) -> None:
        """Forgets the copies."""
        self._copies.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows, from the first one on. Pipes can be read once, unless they are kept."""
        self.skipped = Skipped()
        rows: Iterable[Row | BadRow] = open_inputs(
            self.inputs, options=self.options, id_column=self.id_column, skipped=self.skipped, places=self.places
        )
        if not self.units.whole:
            rows = in_units(rows, self.units, Measure(self.counted_as), self.skipped)
        if self.sample is not None or self.limit is not None:
            # A part of the rows is what is asked for: what is passed over is none of them.
            rows = (row for row in rows if not (isinstance(row, BadRow) and row.skipped))
        if self.sample is not None:
            rows = sampled(rows, self.sample, self.seed)
        if self.limit is not None:
            rows = limited(rows, self.limit)
        return iter(rows)

    @property
    def partial(self) -> bool:
        """Whether the rows are a part of what is in the inputs."""
        return self.limit is not None or self.sample is not None

    def older_ids(self, custom_id: str) -> Iterator[str]:
        """The ids that a row may have had in a release that named rows by their inputs as they were spelled."""
        for root in self._roots.values():
            rest = custom_id.removeprefix(root.label) if custom_id.startswith(root.label) else None
            if rest is not None and not is_address(root.spelled) and (not root.label or rest[:1] in ("", "/", ":")):
                yield shown(root.spelled) + (f"/{rest}" if not root.label else rest)

    @cached_property
    def _roots(self) -> Mapping[str, Root]:
        return roots_of([given for given in self.inputs if given != STDIN])

    def count(self) -> int | None:
        """About how many rows there are; None where nobody knows before the end."""
        found: InputCount = count_inputs(self.inputs, options=self.options, places=self.places)
        if found.open_ended or not self.units.whole:
            return None
        return min([found.rows, *(most for most in (self.limit, self.sample) if most is not None)])


def _is_pipe(given: str) -> bool:
    path = Path(given)
    return given == STDIN or (path.exists() and not path.is_file() and not path.is_dir())


def _copy(given: str, copy: Path) -> None:
    with copy.open("wb") as out:
        if given == STDIN:
            shutil.copyfileobj(sys.stdin.buffer, out)
            return
        with Path(given).open("rb") as pipe:
            shutil.copyfileobj(pipe, out)
