"""Results of a run of a flow that go to a bucket.

They are made anew from the store each time, in a working copy on this machine, and an object is put in its place when
all of them are there; a folder's files go there one by one. What the same run has put there before may be replaced, as
long as it is that still: its tags are noted on this machine. All else that lies there is somebody else's.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from homa.files import OutputFormat, ResultsWriter, open_output, output_format
from homa.files.remote.address import Address
from homa.files.remote.results import checked_address, names_of
from homa.files.remote.working_copy import WorkingCopy
from homa.files.writers.folder_files import StoredFiles
from homa.files.writers.output_format import FOLDERS


class RunCopy(WorkingCopy):
    """The working copy of one run, which knows what the run has put in the bucket.

    Args:
        address, form: of the results.
        home: directory of this machine's runs.
        run: its id; empty where it has none yet.
    """

    def __init__(self, address: Address, form: OutputFormat, home: Path, run: str) -> None:
        super().__init__(address, names_of(address, form), home, resumable=False)
        self._run, self._is_folder = run, form in FOLDERS
        self._own = self.folder.with_name(f"{self.folder.name}.flow.json")

    def begin_run(self, *, force: bool) -> None:
        """Makes it ready.

        Raises:
            InvalidRequest: what lies there is not the run's, and `force` is not given.
            PlaceUnavailable: the bucket cannot be reached.
        """
        again = not force and self._is_own()
        # The journal of a folder says which files there are to be replaced.
        self.begin(resume=again and self._is_folder, force=force or (again and not self._is_folder))
        self._note_own()

    def _is_own(self) -> bool:
        told = self._noted()
        return bool(self._run) and told.get("run") == self._run and self._tags() in (told.get("tags"), self._base())

    def _noted(self) -> dict[str, Any]:
        try:
            told = orjson.loads(self._own.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return told if isinstance(told, dict) else {}

    def _note_own(self) -> None:
        fresh = self._own.with_name(f".{self._own.name}.tmp")
        fresh.write_bytes(orjson.dumps({"run": self._run, "tags": self._base()}))
        fresh.replace(self._own)

    def _remove_published(self) -> None:
        self._note_own()
        super()._remove_published()


class StoredOutput:
    """A place for results in a bucket.

    Args:
        output: its address.
        form: one of OutputFormat; None: by the address's ending.
        home: directory of this machine's runs.
        run: whose results they are; empty where it has no id yet.

    Raises:
        InvalidRequest: nothing can be written there, or not in this format.
    """

    def __init__(self, output: str, form: str | None, home: Path, run: str = "") -> None:
        self._form, self._chosen = form, output_format(output, form)
        self._copy = RunCopy(checked_address(output, form), self._chosen, home, run)

    def begin(self, *, force: bool) -> None:
        """As `RunCopy.begin_run`; nobody else on this machine writes there until `leave`."""
        self._copy.begin_run(force=force)

    def open(self, **given: Any) -> ResultsWriter:
        """The results, open from their beginning; arguments and errors are those of `open_output`."""
        copy, key = self._copy, self._copy.address.path
        files = StoredFiles(copy.bucket, f"{key.rstrip('/')}/") if self._chosen in FOLDERS else None
        place = f"{copy.place}/" if files is not None else str(copy.place / PurePosixPath(key).name)
        writer = open_output(place, self._form, force=True, files=files, **given)
        writer.elsewhere = copy
        return writer

    def leave(self) -> None:
        """Lets other runs have it."""
        self._copy.leave()
