"""Results as a folder of files: an answer each, named by its input, as Markdown, text, or the whole line as JSON.

`docs/a.pdf` becomes `out/docs/a.pdf.md`, an input without an answer `out/docs/a.pdf.error.txt`. Files cannot carry what
an answer is to: the journal in the folder (`.homa.journal.jsonl`, the lines of a JSON Lines file) has that, and stays.
A file is put in its place in one step, after its line is in the journal.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from homa.files.citing.answers import listed
from homa.files.digests import digest
from homa.files.result_line import is_good, line_bytes
from homa.files.writers.base import ResultsWriter
from homa.files.writers.folder_files import FolderFiles
from homa.files.writers.jsonl import JsonlRecords, JsonlResults, read_line
from homa.files.writers.output_file import OutputFile
from homa_shared.calls.reply import message_text
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.json_safe import valid_text

JOURNAL = ".homa.journal.jsonl"
_FAILED = ".error.txt"
#: Bytes of one name of a path, so that an ending and a temporary one's marks find room in 255.
_NAME_BYTES = 180
#: Bytes of a path below the folder, which systems bound with the folder's own (macOS at 1,024).
_PATH_BYTES = 700


class FolderResults(ResultsWriter):
    """Journals each line, and writes its file.

    Args:
        folder: of the journal.
        form: the files' ending: md, txt or json.
    """

    def __init__(self, journal: JsonlResults, folder: Path, form: str, files: FolderFiles) -> None:
        super().__init__(journal.done, JsonlRecords())
        self._journal, self._folder, self._form, self._files = journal, folder, form, files

    def lines_file(self) -> OutputFile:
        return self._journal.lines_file()

    def revise(self, order: str) -> None:
        # Files first: what is missing is written from the journal, at the latest by the next run, and a file of a line
        # that is no more, or under the id of one that moved, would stay for ever if this run were killed in between.
        if self.earlier is not None and self.earlier.revised:
            stay = {name for name, _ in self.earlier.kept()} - set(self.earlier.moved_to())
            for line in self._lines():
                if line["custom_id"] not in stay:
                    self._files.remove(self._name(line))
        super().revise(order)
        for line in self._lines():
            if not self._files.has(self._name(line)):
                self._put(line)

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._journal.write(line, fields)
        self._put(line)

    def sync(self) -> None:
        self._files.flush()
        self._journal.sync()

    def _close(self, *, finished: bool) -> None:
        try:
            self._files.flush()
        finally:
            self._journal.close()

    def _lines(self) -> Iterator[Mapping[str, Any]]:
        with Path(self._folder, JOURNAL).open("rb") as lines:
            yield from (line for line in map(read_line, lines) if line is not None)

    def _name(self, line: Mapping[str, Any]) -> str:
        good = is_good(line) or self._form == "json"
        return file_name(line["custom_id"], f".{self._form}") + (f".{self._form}" if good else _FAILED)

    def _put(self, line: Mapping[str, Any]) -> None:
        self._files.put(self._name(line), self._content(line))

    def _content(self, line: Mapping[str, Any]) -> bytes:
        if self._form == "json":
            return line_bytes(line)
        if is_good(line):
            quotes = listed(line["homa"].get("citations") or ()) if isinstance(line["homa"], dict) else ""
            return valid_text(f"{message_text(line['response']['body'])}\n{quotes}").encode()
        return valid_text(f"{line['error']['code']}: {line['error']['message']}\n").encode()


def file_name(custom_id: str, ending: str) -> str:
    """Where below the folder an input's file is, without its ending; never outside of it, never two of one name."""
    *folders, last = [_plain(part) for part in custom_id.split("/")]
    # A folder that is called like a file of another input.
    folders = [f"{name}_" if name.endswith((ending, _FAILED)) else name for name in folders]
    name = "/".join([*folders, last])
    if len(os.fsencode(name)) > _PATH_BYTES:
        name = last
    changed = name != custom_id or last.endswith(".error")
    return f"{name}~{digest(custom_id).hex()[:12]}" if changed else name


def _plain(part: str) -> str:
    composed = unicodedata.normalize("NFC", part)  # some file systems take all forms of a letter for one
    name = "".join(each if each.isprintable() and each != "\\" else "_" for each in composed)
    name = f"_{name}" if name.startswith(".") or not name else name
    return os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")


def check_folder(folder: Path, *, resume: bool, force: bool) -> None:
    """Raises InvalidRequest for a folder that is not to be written to."""
    if folder.exists() and not folder.is_dir():
        raise InvalidRequest(f"--output {folder} is a file: expected a folder for --format md, json or txt")
    journal = Path(folder, JOURNAL)
    if journal.exists() and not resume and not force:
        raise InvalidRequest(
            f"--output {folder} holds results: use --resume to do only what it is missing, or --force to write it anew"
        )
    if not journal.exists() and folder.is_dir() and any(folder.iterdir()) and not force:
        raise InvalidRequest(f"--output {folder} holds other files: expected a new or empty folder, or --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(f"--output {folder} cannot be made: {error.strerror or error}") from None


def clear(folder: Path, form: str, files: FolderFiles) -> None:
    """Removes the files that an earlier run wrote; those of others stay.

    Args:
        folder: of its journal.
    """
    with Path(folder, JOURNAL).open("rb") as lines:
        for line in map(read_line, lines):
            if line is not None:
                for ending in (f".{form}", _FAILED):
                    files.remove(file_name(line["custom_id"], f".{form}") + ending)
