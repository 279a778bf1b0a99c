"""Results that are to lie in a bucket: written to a working copy on this machine, and put in their place whole.

1. A run that goes on takes what the bucket has, unless its own working copy goes on from exactly that.
2. While it goes on only the working copy grows, a line at a time, so that kill -9 tears at most the last one.
3. `save` puts the lines in the bucket before a checkpoint leads to a new batch: what a run on another machine finds is
   the object, and the batch that the checkpoint beside it leads to, and nothing paid for is outside of these two.
4. `publish` puts everything in its place when the run ends or stops. An object is seen when all of it has arrived.

Somebody else's object is never replaced: what lies there has to be what this copy goes on from.
"""

from __future__ import annotations

import fcntl
import shutil
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO

import orjson

from homa.files.remote.address import Address
from homa.files.remote.bucket import Bucket
from homa.files.remote.objects import BucketObject, Unfetchable
from homa_shared.model.errors import HomaError, InvalidRequest, OutputUnwritable

_BASE = "base.json"


@dataclass(frozen=True, slots=True)
class Names:
    """What of a working copy is put in the bucket: name of the file -> key of the object."""

    #: The results themselves; None where each answer is an object of its own.
    main: tuple[str, str] | None
    #: What they are made from, where they cannot be appended to.
    journal: tuple[str, str] | None

    @property
    def all(self) -> list[tuple[str, str]]:
        return [each for each in (self.journal, self.main) if each is not None]


class WorkingCopy:
    """The results of one address on this machine.

    Args:
        address: of the results, as messages tell it.
        names: its parts.
        home: directory of this machine's runs.
        resumable: whether a run may be told to go on with what is there.
    """

    def __init__(self, address: Address, names: Names, home: Path, *, resumable: bool = True) -> None:
        self.address, self._names, self._resumable = address, names, resumable
        self.bucket = Bucket(address)
        digest = blake2b(str(address).encode(), digest_size=8).hexdigest()
        #: Where it lies, and the files themselves.
        self.folder = home / "outputs" / digest
        self.place = self.folder / "results"
        self._lock: IO[bytes] | None = None

    def begin(self, *, resume: bool, force: bool) -> str:
        """Makes it ready for a run.

        Args:
            resume: with what is in the bucket, or with itself where it goes on from that.
            force: without what was there.

        Returns:
            what somebody should know; empty where there is nothing.

        Raises:
            InvalidRequest: there are results, or the note of a run, and neither is given.
            PlaceUnavailable: the bucket cannot be reached.
        """
        self._lock = self._locked()
        try:
            return self._begin(resume=resume, force=force)
        except BaseException:
            self.leave()
            raise

    def _begin(self, *, resume: bool, force: bool) -> str:
        there, told = self._tags(), ""
        begun = any(Path(self.place, name).exists() for name, _ in self._names.all)
        if not resume and not force and (begun or any(there.values())):
            going_on = "--resume to do only what it is missing, or " if self._resumable else ""
            raise InvalidRequest(f"--output {self.address} exists: use {going_on}--force to write it anew")
        if not resume and not force and self.bucket.stat(self.address.note.path) is not None:
            going_on = "use --resume to go on with it, or " if self._resumable else "wait for its end, or use "
            raise InvalidRequest(
                f"--output {self.address} belongs to a run that was begun elsewhere and has not ended: {going_on}"
                "--force to cancel it and begin anew"
            )
        if not resume and not force and self._names.main is None and next(self.bucket.below(self.address.path), None):
            raise InvalidRequest(f"--output {self.address} holds other objects: expected an empty one, or --force")
        if not (resume and begun and (there == self._base() or not any(there.values()))):
            if begun and resume:
                told = self._set_aside()
            self._remove_files()
            # A folder that is begun anew loses the files that its journal names.
            if resume or self._names.main is None:
                self._fetch(there)
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._note(there)
        return told

    def save(self) -> None:
        """Puts the lines in the bucket, so that a run elsewhere may go on from them."""
        self._put(self._names.all[:1])

    def publish(self, *, finished: bool) -> None:
        """Puts everything in its place.

        Args:
            finished: nothing is left to go on with here.

        Raises:
            OutputUnwritable: somebody else wrote there, or the bucket takes nothing; the working copy stays.
        """
        try:
            self._put(self._names.all)
            if finished:
                self._remove_published()
        finally:
            self.leave()

    def _remove_published(self) -> None:
        """Takes the files away, which lie in their place now."""
        self._remove_files()

    def leave(self) -> None:
        """Lets other runs have it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _locked(self) -> IO[bytes]:
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self.folder.with_name(f"{self.folder.name}.lock").open("ab")
        try:
            fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise InvalidRequest(
                f"--output {self.address} is being written by another run: wait for its end or choose another"
            ) from None
        return lock

    def _put(self, parts: list[tuple[str, str]]) -> None:
        there = self._tags()
        if there != self._base():
            raise self._unwritable("somebody else has written there since this run began")
        try:
            # What a part is made from goes last where it goes: without both of them answers would be missing.
            for name, key in sorted(parts, key=lambda part: not Path(self.place, part[0]).exists()):
                if Path(self.place, name).exists():
                    self.bucket.put(key, Path(self.place, name))
                    there[key] = self._tag(key)
                elif there[key] is not None:
                    self.bucket.delete(key)
                    there[key] = None
                self._note(there)
        except HomaError as error:
            raise self._unwritable(str(error)) from error

    def _unwritable(self, why: str) -> OutputUnwritable:
        return OutputUnwritable(f"{self.address} cannot be written: {why}; the results are kept in {self.folder}")

    def _tag(self, key: str) -> str | None:
        stat = self.bucket.stat(key)
        return None if stat is None else stat.etag or str(stat.size)

    def _tags(self) -> dict[str, str | None]:
        return {key: self._tag(key) for _, key in self._names.all}

    def _base(self) -> dict[str, str | None]:
        """What of the bucket it goes on from."""
        try:
            return dict(orjson.loads(Path(self.folder, _BASE).read_bytes()))
        except (OSError, orjson.JSONDecodeError, ValueError):
            return {}

    def _note(self, tags: dict[str, str | None]) -> None:
        fresh = Path(self.folder, f".{_BASE}.tmp")
        fresh.write_bytes(orjson.dumps(tags))
        fresh.replace(Path(self.folder, _BASE))

    def _fetch(self, there: dict[str, str | None]) -> None:
        """What is needed to go on: the journal alone, where there is one."""
        self.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, key in self._names.all:
            if any(self.place.glob("*.journal.jsonl")):
                return
            stat = self.bucket.stat(key) if there[key] is not None else None
            if stat is None:
                continue
            part = Path(self.place, f".{name}.part")
            part.unlink(missing_ok=True)
            try:
                BucketObject(self.bucket, stat).copy(part)
            except Unfetchable as error:
                raise InvalidRequest(f"--resume: {self.bucket.address.at(key)} {error}") from None
            part.replace(Path(self.place, name))

    def _set_aside(self) -> str:
        aside = self.folder.with_name(f"{self.folder.name}.before")
        shutil.rmtree(aside, ignore_errors=True)
        self.folder.rename(aside)
        return f"{self.address} was written elsewhere since: going on from it; what lay here is in {aside}"

    def _remove_files(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
