"""Where the results of a run go: a file or folder of this machine, a stream, or a place in a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from homa.files import ResultsWriter, open_output
from homa.files.remote.address import Address, address_of, is_address
from homa.files.remote.working_copy import Names, WorkingCopy
from homa.files.writers.earlier import EarlierLines
from homa.files.writers.folder import JOURNAL
from homa.files.writers.folder_files import StoredFiles
from homa.files.writers.output_format import FOLDERS, TABLES, OutputFormat, output_format
from homa.files.writers.registry import earlier_lines
from homa_shared.model.errors import InvalidRequest

#: Formats whose file is changed in place, together with what others have in it.
_LOCAL_ONLY = frozenset({OutputFormat.SQLITE})


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
        return WorkingCopy(address, _names(address, output_format(self.output, self.form)), self.home)

    def _path(self, copy: WorkingCopy) -> str:
        if self._is_folder:
            return f"{copy.place}/"
        return str(copy.place / PurePosixPath(copy.address.path).name)

    def _files(self, copy: WorkingCopy) -> StoredFiles | None:
        return StoredFiles(copy.bucket, f"{copy.address.path.rstrip('/')}/") if self._is_folder else None

    @property
    def _is_folder(self) -> bool:
        return output_format(self.output, self.form) in FOLDERS


def checked_address(output: str, form: str | None) -> Address:
    """The address of results in a bucket.

    Raises:
        InvalidRequest: nothing can be written there, or not in this format.
    """
    address = address_of(output, "--output")
    if address.is_web:
        raise InvalidRequest(f"--output {address}: nothing is written to web servers: expected s3://, gs:// or az://")
    if not address.path.strip("/") or address.has_wildcard:
        raise InvalidRequest(
            f"--output {output}: expected the name of an object, {address.scheme}://bucket/results.jsonl"
        )
    if (chosen := output_format(output, form)) in _LOCAL_ONLY:
        raise InvalidRequest(
            f"--output {output}: a file of {chosen} is changed where it lies: expected another format, or a file here"
        )
    return address


def _names(address: Address, form: OutputFormat) -> Names:
    key = address.path
    if form in FOLDERS:
        return Names(None, (JOURNAL, f"{key.rstrip('/')}/{JOURNAL}"))
    name = PurePosixPath(key).name
    journal = (f"{name}.journal.jsonl", f"{key}.journal.jsonl") if form in TABLES else None
    return Names((name, key), journal)
