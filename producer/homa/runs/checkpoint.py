"""The note beside the output that leads a resumed run to its earlier batch.

It is written before the first job is submitted and removed when every input has its answer. What ended between the
last line of an interrupted run and its resumption is found by it, and so not paid again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from homa_shared.model.errors import InvalidRequest, OutputUnwritable


class NotedRun(NamedTuple):
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
            told = orjson.loads(self.path.read_bytes())
            return Checkpoint(**{**told, "runs": [NotedRun(*run) for run in told.get("runs", ())]})
        except (OSError, orjson.JSONDecodeError, TypeError, AttributeError) as error:
            raise InvalidRequest(
                f"{self.path} is not a valid checkpoint of a run ({error}): "
                "remove it to continue without the earlier batch"
            ) from None

    def write(self, note: Checkpoint) -> None:
        """Writes the note in one step. Raises OutputUnwritable where it cannot."""
        if self.path is None:
            return
        fresh = self.path.with_name(f".{self.path.name}.tmp")
        try:
            with fresh.open("wb") as file:
                file.write(orjson.dumps({**asdict(note), "runs": [tuple(run) for run in note.runs]}))
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
