"""Results of a run over files as they come: a thread carries the run out, and is never far ahead of who iterates."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from typing import Any

from homa.client.file_results import FileResult, FilesSummary
from homa.files import Digests, ResultsWriter
from homa.runs.checked_run import CheckedRun
from homa.runs.files_order import FilesOrder
from homa.runs.files_run import FilesRun

#: Results that wait to be taken.
_AHEAD = 500
_NAP_S = 0.1


class FilesStream:
    """One run, and the results that wait to be taken.

    Args:
        schema: what `FileResult.parsed` is made with.
    """

    def __init__(self, run: FilesRun, schema: Any) -> None:
        self._run, self._schema = run, schema
        self._waiting: queue.Queue[FileResult[Any] | None] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._carry_out, name="homa-run-files", daemon=True)
        #: Sums of the run, once it has ended.
        self.summary: FilesSummary | None = None
        self._ended = False

    def start(self) -> None:
        self._thread.start()

    def take(self) -> list[FileResult[Any]]:
        """What has come since the last time, at least one result; empty at the end.

        Raises:
            HomaError: what the run raises, behind its last result.
        """
        if self._ended:
            if self._error is not None:
                raise self._error
            return []
        found = [self._waiting.get()]
        while found[-1] is not None and len(found) < _AHEAD:
            try:
                found.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        if found[-1] is None:
            self._ended = True
            self._thread.join()
        results = [each for each in found if each is not None]
        return results or self.take()

    def leave(self) -> None:
        """Nobody takes any more: what has not begun is cancelled. Waits until that is done."""
        self.abandon()
        self._thread.join()
        self._ended, self._error = True, None
        with contextlib.suppress(queue.Full):  # somebody waits for more
            self._waiting.put_nowait(None)

    def abandon(self) -> None:
        """The same without waiting."""
        self._left.set()
        self._run.stop()

    def put(self, result: FileResult[Any]) -> None:
        while not self._left.is_set():
            try:
                self._waiting.put(result, timeout=_NAP_S)
            except queue.Full:
                continue
            return

    def _carry_out(self) -> None:
        try:
            self.summary = self._run.into(self._opened, "")
        except BaseException as error:
            self._error = error
        finally:
            self._end()

    def _end(self) -> None:
        while not self._left.is_set():
            try:
                self._waiting.put(None, timeout=_NAP_S)
            except queue.Full:
                continue
            return

    def _opened(self, checked: CheckedRun[FilesOrder]) -> ResultsWriter:
        return _Handed(self, self._schema)


class _Handed(ResultsWriter):
    """Hands each result over."""

    def __init__(self, stream: FilesStream, schema: Any) -> None:
        super().__init__(Digests())
        self._stream, self._schema = stream, schema

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._stream.put(FileResult(line["custom_id"], line, dict(fields), self._schema))

    def _close(self, *, finished: bool) -> None:
        """Nothing is open."""
