"""INPUT arguments to a stream of rows: which files, by which reader, one row after the other.

1. `check_inputs` says what is wrong with the arguments before anything is read.
2. `open_inputs` finds the files and tells each one's reader by its first bytes.
3. Plain text and rows of text are read here; everything else by helper processes, which are a few files ahead.
   What lies elsewhere is fetched a few files ahead, too (fetching.py).
4. What cannot be read becomes a `BadRow` in its place; the rest goes on.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from homa.files.readers import paths
from homa.files.readers.content import HEAD_BYTES, ZIP, Head
from homa.files.readers.csv_dialect import check_delimiter
from homa.files.readers.document import PAGES, SHEETS, Document, Fault, Opened, ReadOptions, Remark
from homa.files.readers.fetching import FETCHED_AT_ONCE, Fetched, Fetching
from homa.files.readers.lines import buffered, check_encoding, opened
from homa.files.readers.paths import NOWHERE, Places, Skipped, Source, find_sources, unreadable
from homa.files.readers.processes import HelperPool
from homa.files.readers.registry import all_readers, named, reader_of, unread
from homa.files.readers.walk import Begun, Walk, joined
from homa.files.remote.objects import Unfetchable
from homa.files.rows import BadRow, Registrar, Row, bad_row, location
from homa_shared.model.errors import HomaError, InvalidRequest


def check_inputs(inputs: Sequence[str], *, options: ReadOptions | None = None, places: Places = NOWHERE) -> None:
    """Say at once what is wrong with the arguments; no file's content is read.

    Raises InvalidRequest for no input, a missing path, a glob without a match, a directory without a file, `-` given
    twice, an input that is the output, or an option that nobody knows.
    """
    checked(options or ReadOptions())
    paths.check_inputs(inputs, places)


def checked(options: ReadOptions) -> ReadOptions:
    """The options in their plain form.

    Raises:
        InvalidRequest: one is wrong; what was expected is told.
        PluginError: a reader of an installed package is broken, and that is fatal.
    """
    all_readers(options.plugins)
    if options.encoding is not None:
        check_encoding(options.encoding)
    if options.input_format is not None:
        named(options.input_format, options.plugins)
    if options.pages not in PAGES:
        raise InvalidRequest(f"--pages is {options.pages!r}: expected {', '.join(PAGES)}")
    if options.sheets not in SHEETS:
        raise InvalidRequest(f"--sheets is {options.sheets!r}: expected {', '.join(SHEETS)}")
    if options.skip_rows < 0:
        raise InvalidRequest(f"--skip-rows is {options.skip_rows}: expected 0 or more")
    return replace(options, delimiter=check_delimiter(options.delimiter))


def open_inputs(
    inputs: Sequence[str],
    *,
    options: ReadOptions | None = None,
    id_column: str | None = None,
    stdin: IO[bytes] | None = None,
    skipped: Skipped | None = None,
    places: Places = NOWHERE,
) -> Iterator[Row | BadRow]:
    """Check the inputs, then stream their rows.

    Args:
        inputs: files, directories (recursive), globs, `-` for standard input.
        options: how to read them.
        id_column: field or column that names a row; default `custom_id` or `id`, else `path` or `path:line`.
        stdin: bytes to read for `-`; default the process's own.
        skipped: tally that is told, while rows are read, which files were passed over.
        places: copies of what can be read once only, and files that are no inputs.

    Raises what `check_inputs` raises, at the call and not at the first row.
    """
    check_inputs(inputs, options=options, places=places)
    found = replace(checked(options or ReadOptions()), id_column=id_column)
    return Intake(inputs, found, Registrar(id_column), stdin, skipped or Skipped(), places).rows()


@dataclass(slots=True)
class _Due:
    """A file in its turn: what is found in it, once it is asked."""

    path: str
    found: Iterable[Document | Fault | Remark | Begun]
    #: A copy that goes once it is read.
    copy: Path | None = None

    def forget(self) -> None:
        if self.copy is not None:
            self.copy.unlink(missing_ok=True)


class Intake:
    """One stream of rows."""

    def __init__(
        self,
        inputs: Sequence[str],
        options: ReadOptions,
        registrar: Registrar,
        stdin: IO[bytes] | None,
        skipped: Skipped,
        places: Places,
    ) -> None:
        self._inputs, self._options, self._registrar = inputs, options, registrar
        self._stdin, self._skipped, self._places = stdin, skipped, places
        self._pool = HelperPool()
        self._fetching = Fetching()

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows in the inputs' order."""
        with contextlib.closing(self._fetching), contextlib.closing(self._pool):
            for found in self._ahead():
                due = found if isinstance(found, BadRow) else self._come(found)
                if isinstance(due, BadRow):
                    yield self._told(due)
                    continue
                try:
                    yield from self._rows_of(due)
                except OSError as error:
                    yield self._told(bad_row(due.path, None, unreadable(error)))
                finally:
                    due.forget()

    def _ahead(self) -> Iterator[_Due | Fetched | BadRow]:
        """What is due, while helpers are at work on what follows; nothing is looked at beyond a pipe."""
        waiting: deque[_Due | Fetched | BadRow] = deque()
        most = 2 * self._pool.size
        for source in find_sources(self._inputs, self._skipped, self._places):
            if isinstance(source, BadRow):
                waiting.append(source)
            elif source.remote is not None:
                waiting.append(self._fetching.begin(source.path, source.remote))
                most = max(most, 2 * FETCHED_AT_ONCE)
            elif source.file is None or not source.file.is_file():
                yield from _drained(waiting)
                yield _Due(source.path, self._from_pipe(source))
            else:
                waiting.append(self._due(source, source.file))
            self._begin_what_is_here(waiting)
            if len(waiting) > most:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
            self._begin_what_is_here(waiting)

    def _begin_what_is_here(self, waiting: deque[_Due | Fetched | BadRow]) -> None:
        """Gives helpers what has come by now."""
        for place, each in enumerate(waiting):
            if isinstance(each, Fetched) and each.is_here:
                waiting[place] = self._come(each)

    def _come(self, found: _Due | Fetched) -> _Due:
        """What was fetched, in its turn at the latest."""
        if isinstance(found, _Due):
            return found
        try:
            if found.coming is None and (streamed := self._streamed(found)) is not None:
                return streamed
            named = found.copy()
        except Unfetchable as error:
            return _Due(found.path, [Fault(str(error))])
        due = self._due(Source(found.path, found.file, named=named), found.file)
        return replace(due, copy=found.file)

    def _streamed(self, found: Fetched) -> _Due | None:
        """Rows of text that are read as they come; None for what has to be copied."""
        stream = found.remote.stream()
        if stream is None:
            return None
        data = stream.peek(HEAD_BYTES)
        reader = reader_of(Head(found.path, data, encoding=self._options.encoding), self._options)
        if reader is None or reader.isolated or data.startswith(ZIP):
            return None
        return _Due(found.path, Walk(self._options).opened(reader, Opened(found.path, stream)))

    def _due(self, source: Source, file: Path) -> _Due:
        try:
            with opened(file) as stream:
                data = stream.peek(HEAD_BYTES)
                named = source.named or source.path
                head = Head(named, data, stream, nameless=source.nameless, encoding=self._options.encoding)
                return _Due(source.path, self._begun(head, source, file))
        except OSError as error:
            return _Due(source.path, [Fault(unreadable(error))])
        except HomaError:
            raise
        except Exception as error:  # a reader of somebody else's that fails at telling its kind
            return _Due(source.path, [Fault(f"is of a kind that cannot be told: {error!r:.200}")])

    def _begun(self, head: Head, source: Source, file: Path) -> Iterable[Document | Fault | Remark | Begun]:
        if not head.data:
            return [Fault("is empty")]
        reader = reader_of(head, self._options)
        fault = unread(reader, head.data)
        if fault is not None or reader is None:
            return [fault or Fault("is of no kind that is read here")]
        if reader.isolated:
            return self._pool.read(reader.name, source.path, file, self._options)
        return Walk(self._options).file(reader.name, source.path, str(file))

    def _from_pipe(self, source: Source) -> Iterator[Document | Fault | Remark | Begun]:
        """What comes by standard input or a pipe; kept in a file first where its reader runs elsewhere."""
        with contextlib.ExitStack() as stack:
            stream = buffered(self._stdin or sys.stdin.buffer)
            if source.file is not None:
                stream = stack.enter_context(opened(source.file))
            data = stream.peek(HEAD_BYTES)
            head = Head(source.path, data, nameless=True, encoding=self._options.encoding)
            reader = reader_of(head, self._options) if data else None
            if reader is not None and not reader.isolated:
                yield from Walk(self._options).opened(reader, Opened(source.path, stream))
                return
            kept = stack.enter_context(tempfile.NamedTemporaryFile(prefix="homa-"))
            shutil.copyfileobj(stream, kept)
            kept.flush()
            yield from self._due(source, Path(kept.name)).found

    def _rows_of(self, due: _Due) -> Iterator[Row | BadRow]:
        admit, path = self._registrar.admit, due.path
        for found in due.found:
            if isinstance(found, Document):
                if found.line is not None and not found.part and found.request is None:
                    yield admit(path, found.line, found.fields, text=found.text)
                else:
                    yield self._row(path, found)
            elif isinstance(found, Fault):
                yield self._told(self._bad(path, found))
            elif isinstance(found, Remark):
                self._skipped.remark(f"{joined(path, found.part)}: {found.text}")

    def _row(self, path: str, found: Document) -> Row | BadRow:
        place = joined(path, found.part)
        if found.line is not None and found.request is None:
            return self._registrar.admit(place, found.line, found.fields, text=found.text)
        # A document's columns say something of it, and do not name it: that is its place's part.
        custom_id = found.custom_id or location(place, found.line)
        row = self._registrar.admit_as(custom_id, place, found.line, found.fields, found.text, found.request)
        if isinstance(row, Row) and (found.notes or found.images or found.pages):
            return replace(
                row, notes=found.notes, images=found.images, pages=found.pages, image_pages=found.image_pages
            )
        return row

    def _bad(self, path: str, fault: Fault) -> BadRow:
        place = joined(path, fault.part)
        custom_id = fault.custom_id or location(place, fault.line)
        if fault.line is None and self._registrar.knows(
            custom_id
        ):  # what stands before the fault was read, and has its own line
            custom_id = f"{custom_id} (the rest)"
        return BadRow(custom_id, place, fault.line, fault.error, fault.skipped)

    def _told(self, bad: BadRow) -> BadRow:
        if bad.skipped:
            self._skipped.count(bad.skipped, bad.path)
        return self._registrar.refused(bad)


def _drained(waiting: deque[_Due | Fetched | BadRow]) -> Iterator[_Due | Fetched | BadRow]:
    while waiting:
        yield waiting.popleft()
