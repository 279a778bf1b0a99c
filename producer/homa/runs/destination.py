"""Where the results of a run go: a file or folder of this machine, a stream, or a place in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from homa.files import ResultsWriter, open_output
from homa.files.remote.address import is_address
from homa.files.remote.results import checked_address, names_of
from homa.files.remote.working_copy import WorkingCopy
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.folder_files import StoredFiles
from homa.files.writers.output_format import FOLDERS, output_format
from homa.files.writers.registry import earlier_lines
from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the results of one run go.

    Args:
        output: as it was given.
        form: the format that was named; None: by the output's name.
        home: of this machine's runs.
    """

    output: str
    form: str | None
    home: Path

    def open(
        self,
        *,
        resume: bool,
        force: bool,
        columns: Iterable[str],
        schema: Mapping[str, Any] | None,
        cite: bool,
        say: Callable[[str], object],
    ) -> ResultsWriter:
        """The results, open for this run; arguments and errors are those of `open_output`.

        Args:
            say: tells the person what should be known.
        """
        given: dict[str, Any] = {
            "resume": resume,
            "compare": True,
            "force": force,
            "columns": columns,
            "schema": schema,
            "cite": cite,
        }
        if not is_address(self.output):
            return open_output(self.output, self.form, **given)
        if resume and force:
            raise InvalidRequest(
                "--resume and --force are both given: the one keeps earlier results, the other does not"
            )
        copy = self._copy()
        if told := copy.begin(resume=resume, force=force):
            say(told)
        try:
            writer = open_output(self._path(copy), self.form, **given, files=self._files(copy))
        except BaseException:
            copy.leave()
            raise
        writer.elsewhere = copy
        return writer

    def look(self, *, columns: Iterable[str], schema: Mapping[str, Any] | None, cite: bool) -> EarlierLines:
        """The lines that results of an earlier run hold, as a look."""
        path = self.output
        if is_address(path):
            copy = self._copy()
            copy.begin(resume=True, force=False)
            copy.leave()
            path = self._path(copy)
        return earlier_lines(path, self.form, columns=columns, schema=schema, cite=cite)

    def _copy(self) -> WorkingCopy:
        address = checked_address(self.output, self.form)
        return WorkingCopy(address, names_of(address, output_format(self.output, self.form)), self.home)

    def _path(self, copy: WorkingCopy) -> str:
        if self._is_folder:
            return f"{copy.place}/"
        return str(copy.place / PurePosixPath(copy.address.path).name)

    def _files(self, copy: WorkingCopy) -> StoredFiles | None:
        return StoredFiles(copy.bucket, f"{copy.address.path.rstrip('/')}/") if self._is_folder else None

    @property
    def _is_folder(self) -> bool:
        return output_format(self.output, self.form) in FOLDERS
