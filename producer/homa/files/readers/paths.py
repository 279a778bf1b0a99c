"""INPUT arguments to files: paths, directories, globs and `-`; what is passed over is counted, never silently lost."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from homa.files.digests import Digests
from homa.files.rows import BadRow, bad_row
from homa_shared.model.errors import InvalidRequest

STDIN = "-"
#: Names of skipped files that are kept to be told.
NAMES_KEPT = 5


@dataclass(slots=True)
class Skipped:
    """Tally of what stood in a directory or matched a glob and was not read."""

    #: Names that start with a dot; a hidden directory counts once.
    hidden: int = 0
    binary: int = 0
    #: Sockets, pipes, devices, links that lead nowhere.
    special: int = 0
    #: Files that several INPUTs lead to; they are read once.
    repeated: int = 0
    #: The first few of them.
    names: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.hidden + self.binary + self.special + self.repeated

    def count(self, kind: str, name: str) -> None:
        """Count one file as `hidden`, `binary`, `special` or `repeated`."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.names) < NAMES_KEPT:
            self.names.append(name)

    def __str__(self) -> str:
        kinds = ("hidden", "binary", "special", "repeated")
        counts = ", ".join(f"{getattr(self, kind)} {kind}" for kind in kinds if getattr(self, kind))
        more = ", …" if self.total > len(self.names) else ""
        return f"skipped {counts} ({', '.join(self.names)}{more})" if counts else "skipped nothing"


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read, or standard input."""

    #: As told to people, and the start of the rows' custom_id.
    path: str
    #: As the operating system knows it; None for standard input.
    file: Path | None
    #: Named by the user and not found by looking: a binary file is then a fault and not just passed over.
    named: bool


def check_inputs(inputs: Sequence[str]) -> None:
    """Raise InvalidRequest, naming the offender, for an input that leads to no file; reads no file's content."""
    if not inputs:
        raise InvalidRequest("no INPUT given: expected files, directories, globs or - for standard input")
    if list(inputs).count(STDIN) > 1:
        raise InvalidRequest("INPUT - (standard input) is named more than once: it can be read only once")
    if "" in inputs:  # a variable that was never set, most likely; as a path it would be the whole working directory
        raise InvalidRequest("INPUT is empty: expected a file, a directory, a glob or - for standard input")
    for given in inputs:
        if given == STDIN or Path(given).is_file():
            continue
        if Path(given).is_dir():
            _check_directory(given)
        elif not Path(given).exists():
            _check_glob(given)


def _check_directory(given: str) -> None:
    if next(_walk(given, Skipped()), None) is None:
        raise InvalidRequest(f"INPUT {given!r}: the directory holds no file to read (hidden files are skipped)")


def _check_glob(given: str) -> None:
    if "://" in given:
        raise InvalidRequest(f"INPUT {given!r} is an address, which is not fetched: expected a file; download it first")
    if not glob.has_magic(given):
        raise InvalidRequest(f"INPUT {given!r}: no such file or directory (seen from {str(Path.cwd())!r})")
    if not _matches(given):
        raise InvalidRequest(f"INPUT {given!r}: no file matches this pattern (seen from {str(Path.cwd())!r})")


def find_sources(inputs: Sequence[str], skipped: Skipped) -> Iterator[Source | BadRow]:
    """The files that inputs lead to, in their order, each once; directories and globs sorted."""
    seen = Digests()
    for given in inputs:
        for source in _expand(given, skipped):
            if isinstance(source, BadRow) or source.file is None or seen.add(shown(source.file.absolute())):
                yield source
            else:
                skipped.count("repeated", source.path)


def _expand(given: str, skipped: Skipped) -> Iterator[Source | BadRow]:
    if given == STDIN:
        yield Source(STDIN, None, named=True)
    elif Path(given).is_dir():
        yield from _walk(given, skipped)
    elif Path(given).exists():  # before globs: a file may be called notes[1].txt
        yield Source(shown(given), Path(given), named=True)
    elif matches := _matches(given):
        for file in matches:
            yield Source(shown(file), file, named=False)
    else:
        yield bad_row(shown(given), None, "is gone: it stood there when the run was checked")


def _matches(pattern: str) -> list[Path]:
    """Files that match; directories do not count, since `**` reaches what is in them anyway."""
    found = glob.iglob(pattern, recursive=True)  # Path.glob takes no absolute pattern
    return sorted(file for file in map(Path, found) if file.is_file())


def _walk(root: str, skipped: Skipped) -> Iterator[Source | BadRow]:
    """A directory's files before its directories, each sorted; links to directories are not followed."""
    faults: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=faults.append):
        yield from _drain(faults)
        for name in (name for name in sorted([*folders, *files]) if name.startswith(".")):
            skipped.count("hidden", shown(Path(folder, name)))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            file = Path(folder, name)
            if file.is_file() or not (file.exists() or file.is_symlink()):  # one that has just gone is told when opened
                yield Source(shown(file), file, named=False)
            else:
                skipped.count("special", shown(file))
    yield from _drain(faults)


def _drain(faults: list[OSError]) -> Iterator[BadRow]:
    while faults:
        fault = faults.pop(0)
        yield bad_row(shown(fault.filename), None, unreadable(fault))


def unreadable(error: OSError) -> str:
    """What to tell about a file that the operating system does not give."""
    return f"cannot be read: {error.strerror or error}"


def shown(file: str | Path) -> str:
    """A path in one spelling (`./a//b` is `a/b`), printable even where its bytes are not UTF-8."""
    normal = Path(os.path.normpath(file)).as_posix()
    return os.fsencode(normal).decode("utf-8", "backslashreplace")
