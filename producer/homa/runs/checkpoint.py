"""The note beside the output that leads a resumed run to its earlier batch.

It is written before the first job is submitted and removed when every input has its answer. What ended between the
last line of an interrupted run and its resumption is found by it, and so not paid again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from homa.files.remote.address import Address, address_of, is_address
from homa.files.remote.bucket import Bucket, Replaced
from homa_shared.model.errors import HomaError, InvalidRequest, OutputUnwritable


@dataclass(frozen=True, slots=True)
class NotedRun:
    """A run of a flow that asks about documents in parts."""

    id: str
    #: Digest of what is asked.
    order: str
    #: Id and digest of each of its inputs.
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where an output's run stands."""

    batch: str
    #: `RunOptions.digest`.
    asked: str
    #: Nano-dollars that its earlier batches cost, and may have cost beside.
    cost: int = 0
    unresolved: int = 0
    #: Attempts of theirs whose price is not known.
    unpriced: int = 0
    #: Runs of flows beside the batch, whose costs are theirs.
    runs: Sequence[NotedRun] = ()


class CheckpointFile:
    """The note of one output; of none for a stream."""

    @classmethod
    def of(cls, output: str) -> CheckpointFile:
        """That of an output on this machine, or in a bucket."""
        return StoredCheckpoint(address_of(output, "--output")) if is_address(output) else cls(output)

    @property
    def lasts(self) -> bool:
        """Whether there is a place for it."""
        return self.path is not None

    def __init__(self, output: str) -> None:
        path = Path(output)
        streams = output == "-" or (path.exists() and not path.is_file() and not path.is_dir())
        self.path = None if streams else path.resolve().with_name(path.name + ".run.json")

    def read(self) -> Checkpoint | None:
        """The note, None where there is none.

        Raises:
            InvalidRequest: it is unreadable.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            return _parsed(self.path.read_bytes(), str(self.path))
        except OSError as error:
            raise _invalid(str(self.path), error) from None

    def write(self, note: Checkpoint) -> None:
        """Writes the note in one step. Raises OutputUnwritable where it cannot."""
        if self.path is None:
            return
        fresh = self.path.with_name(f".{self.path.name}.tmp")
        try:
            with fresh.open("wb") as file:
                file.write(orjson.dumps(note))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            why = f"cannot write {self.path}, which leads back to the batch: {error.strerror or error}"
            raise OutputUnwritable(f"{why}; nothing was submitted; fix that and use --resume") from error

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


class StoredCheckpoint(CheckpointFile):
    """The note beside an output in a bucket, where a run on any machine finds it.

    Args:
        address: of the output.
    """

    def __init__(self, address: Address) -> None:
        self.path = None
        self._address = address.note
        self._bucket = Bucket(address)

    @property
    def lasts(self) -> bool:
        return True

    def read(self) -> Checkpoint | None:
        stat = self._bucket.stat(self._address.path)
        if stat is None:
            return None
        try:
            return _parsed(self._bucket.read(stat, 0, stat.size), str(self._address))
        except (FileNotFoundError, Replaced) as error:
            raise InvalidRequest(f"{self._address} is being written by another run: wait for its end") from error

    def write(self, note: Checkpoint) -> None:
        try:
            self._bucket.put(self._address.path, orjson.dumps(note))
        except HomaError as error:
            why = f"cannot write {self._address}, which leads back to the batch: {error}"
            raise OutputUnwritable(f"{why}; nothing was submitted; fix that and use --resume") from error

    def remove(self) -> None:
        self._bucket.delete(self._address.path)


def _parsed(content: bytes, name: str) -> Checkpoint:
    try:
        told = orjson.loads(content)
        return Checkpoint(**{**told, "runs": tuple(NotedRun(**run) for run in told.get("runs", ()))})
    except (orjson.JSONDecodeError, TypeError, AttributeError) as error:
        raise _invalid(name, error) from None


def _invalid(name: str, error: Exception) -> InvalidRequest:
    return InvalidRequest(
        f"{name} is not a valid checkpoint of a run ({error}): remove it to continue without the earlier batch"
    )
