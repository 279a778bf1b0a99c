"""The file that results are appended to: one writer, whole records, on disk soon.

A record is handed to the operating system before the next one is made, so that kill -9 tears at most the last one. A
power cut costs what came after the last sync, which is made with the first record a second or more after the one before
and when the file is closed. A lock keeps a second run from appending to the same file, which would send the same
missing rows twice.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from homa_shared.model.errors import InvalidRequest, OutputUnwritable

#: Seconds between two writes through to the disk.
SYNC_INTERVAL_S = 1.0
#: What pipes and devices say to a sync: they have no disk behind them.
UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)


class OutputFile:
    """Appends records to a file or a stream."""

    def __init__(
        self,
        stream: IO[bytes],
        name: str,
        *,
        ours: bool,
        path: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over a stream.

        Args:
            stream: open for writing, at its end.
            name: how messages call it.
            ours: to be synced and closed; not so standard output.
            path: of a file that may be rewritten.
            clock: seconds, for the interval between syncs.
        """
        self._stream = stream
        self._name = name
        self._ours = ours
        self._path = path
        self._clock = clock
        self._synced_s = clock()

    def append(self, record: bytes) -> None:
        """Hand a record to the operating system. Raises OutputUnwritable, with the reason, when it is not taken."""
        try:
            self._stream.write(record)
            self._stream.flush()
            if self._ours and self._clock() - self._synced_s >= SYNC_INTERVAL_S:
                self._sync()
        except BrokenPipeError:  # the reader of our standard output has had enough: for the command to handle
            raise
        except OSError as error:
            raise self._unwritable(error) from error

    def sync(self) -> None:
        """Have everything on the disk. Raises OutputUnwritable when the disk fails."""
        try:
            self._sync()
        except OSError as error:
            raise self._unwritable(error) from error

    def rewrite(self, records: Callable[[Path], Iterable[bytes]]) -> None:
        """Replace what the file holds in one step; the lock goes over to the new file.

        Args:
            records: of the file at a path, as they are to stand in it.
        """
        assert self._path is not None
        path = self._path
        self.sync()
        fresh = rewrite(path, lambda out: out.writelines(records(path)))
        self._stream.close()
        self._stream = fresh

    def close(self) -> None:
        """Have everything on the disk and give up the lock; standard output stays open."""
        if not self._ours or self._stream.closed:
            return
        try:
            self.sync()
        finally:
            with contextlib.suppress(OSError):  # the sync has raised it already
                self._stream.close()

    def _sync(self) -> None:
        self._stream.flush()
        try:
            os.fsync(self._stream.fileno())
        except OSError as error:
            if error.errno not in UNSYNCABLE:
                raise
        self._synced_s = self._clock()

    def _unwritable(self, error: OSError) -> OutputUnwritable:
        return OutputUnwritable(f"cannot write to {self._name}: {error.strerror or error}; fix that and use --resume")


def create(path: Path, *, force: bool) -> IO[bytes]:
    """A new, empty, locked file; with `force` in place of an existing one. Raises InvalidRequest if it cannot be."""
    try:
        stream = path.open("ab" if force else "xb")
    except FileExistsError:
        raise InvalidRequest(
            f"--output {path} exists: use --resume to do only what it is missing, or --force to write it anew"
        ) from None
    except OSError as error:
        raise InvalidRequest(f"--output {path} cannot be written: {error.strerror or error}") from None
    lock(stream, path)
    stream.truncate(0)
    return stream


def reopen(path: Path) -> IO[bytes]:
    """An existing file, locked, at its end."""
    try:
        stream = path.open("ab")
    except OSError as error:
        raise InvalidRequest(f"--output {path} cannot be written: {error.strerror or error}") from None
    lock(stream, path)
    return stream


def lock(stream: IO[bytes], path: Path) -> None:
    """Make this process the file's one writer, or close the stream and raise InvalidRequest."""
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another run may have put a rewritten file in this one's place between our opening and our locking.
        current = os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        current = False
    if not current:
        stream.close()
        raise InvalidRequest(f"--output {path} is being written by another run: wait for its end or choose another")


def rewrite(path: Path, fill: Callable[[IO[bytes]], object]) -> IO[bytes]:
    """Replace a file's content in one step with what `fill` writes; the new file is returned, locked, at its end.

    Whoever dies before the rename leaves the old file; the lock is taken before, so that no other run slips in.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        stream = temporary.open("xb")
    except OSError as error:
        raise OutputUnwritable(f"cannot write beside {path}: {error.strerror or error}") from error
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        fill(stream)
        if path.exists():
            shutil.copymode(path, temporary)
        _put_in_place(stream, temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a full disk refuses what is still buffered
            stream.close()
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OutputUnwritable(f"cannot rewrite {path}: {error.strerror or error}; it is unchanged") from error
        raise
    return stream


def _put_in_place(stream: IO[bytes], temporary: Path, path: Path) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself
    finally:
        os.close(folder)
