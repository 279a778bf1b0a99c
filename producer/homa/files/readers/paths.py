"""INPUT arguments to files: paths, directories, globs, addresses, `-`; what is passed over is counted, never lost."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from homa.files.digests import Digests
from homa.files.readers.allowed import is_within
from homa.files.readers.roots import Root, roots_of, shown
from homa.files.remote.address import address_of, is_address
from homa.files.remote.listing import Hidden, check_bucket_input, found_at
from homa.files.remote.objects import BucketObject, RemoteFile
from homa.files.remote.web import WebFile
from homa.files.rows import BadRow, bad_row, skipped_row
from homa_shared.model.errors import InvalidRequest

STDIN = "-"
#: Names of skipped files that are kept to be told.
NAMES_KEPT = 5
#: Remarks that are kept to be told.
REMARKS_KEPT = 20


@dataclass(slots=True)
class Skipped:
    """Tally of what was found and not read, and of what is told about files that were."""

    #: By kind: `hidden` (its name starts with a dot; a hidden directory counts once), `binary` (of no kind that is
    #: read), `not installed`, `special` (sockets, pipes, devices, links that lead nowhere or to directories),
    #: `repeated` (several INPUTs lead to it; it is read once), `output` (the results themselves).
    counts: Counter[str] = field(default_factory=Counter)
    #: The first few of them.
    names: list[str] = field(default_factory=list)
    #: The first few things that are to be told once about a file.
    remarks: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.counts.total()

    def count(self, kind: str, name: str) -> None:
        """Count one file."""
        self.counts[kind] += 1
        if len(self.names) < NAMES_KEPT:
            self.names.append(name)

    def remark(self, text: str) -> None:
        """Keep something that is to be told."""
        if len(self.remarks) < REMARKS_KEPT:
            self.remarks.append(text)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        more = ", …" if self.total > len(self.names) else ""
        return f"skipped {counts} ({', '.join(self.names)}{more})" if counts else "skipped nothing"


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read, or standard input."""

    #: As told to people, and the start of the rows' custom_id.
    path: str
    #: Where its bytes are; None for standard input and what is elsewhere.
    file: Path | None
    #: Standard input or a pipe, whose name tells nothing.
    nameless: bool = False
    #: Where its bytes are, where that is no file of this machine.
    remote: RemoteFile | None = None
    #: The name that tells its kind, where that is not its path.
    named: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """What of the file system is no plain input.

    Args:
        copies: inputs that can be read only once -> the file that holds what came out of them.
        names: those of them that a web server sent -> the name that tells their kind.
        outputs: files that are written by whoever reads; they are never inputs.
        addresses: beginnings of addresses that are.
        within: directories that links and patterns do not lead out of; None: they may lead anywhere.
    """

    copies: Mapping[str, Path] = field(default_factory=dict)
    outputs: tuple[Path, ...] = ()
    within: tuple[str, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()

    def is_output(self, file: Path) -> bool:
        return any(_same(file, each) or _is_within(file, each) for each in self.outputs)

    def is_written(self, address: str) -> bool:
        """Whether an object is the output, one of its notes, or a file of its folder."""
        return any(address == each or (each.endswith("/") and address.startswith(each)) for each in self.addresses)

    def may_read(self, file: Path) -> bool:
        return self.within is None or any(is_within(file, each) for each in self.within)


NOWHERE = Places()


def _is_within(file: Path, folder: Path) -> bool:
    return folder.is_dir() and file.resolve().is_relative_to(folder.resolve())


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def check_inputs(inputs: Sequence[str], places: Places = NOWHERE) -> None:
    """Raise InvalidRequest, naming the offender, for an input that leads to no file; reads no file's content."""
    if not inputs:
        raise InvalidRequest("no INPUT given: expected files, directories, globs, addresses or - for standard input")
    if list(inputs).count(STDIN) > 1:
        raise InvalidRequest("INPUT - (standard input) is named more than once: it can be read only once")
    if "" in inputs:  # a variable that was never set, most likely; as a path it would be the whole working directory
        raise InvalidRequest("INPUT is empty: expected a file, a directory, a glob or - for standard input")
    for given in inputs:
        if is_address(given):
            _check_address(given, places)
            continue
        if given != STDIN and places.is_output(Path(given)):
            raise InvalidRequest(
                f"INPUT {given!r} is the output of this run too, which would destroy it: choose another --output"
            )
        if given == STDIN or Path(given).is_file():
            continue
        if Path(given).is_dir():
            _check_directory(given)
        elif not Path(given).exists():
            _check_glob(given)


def _check_address(given: str, places: Places) -> None:
    address = address_of(given)
    if places.is_written(str(address)):
        raise InvalidRequest(
            f"INPUT {address} is the output of this run too, which would destroy it: choose another --output"
        )
    if not address.is_web:
        check_bucket_input(given, address)


def _check_directory(given: str) -> None:
    if not any(isinstance(each, Source) for each in _walk(given, roots_of([given])[given])):
        raise InvalidRequest(f"INPUT {given!r}: the directory holds no file to read (hidden files are skipped)")


def _check_glob(given: str) -> None:
    if not glob.has_magic(given):
        raise InvalidRequest(f"INPUT {given!r}: no such file or directory (seen from {str(Path.cwd())!r})")
    if not any(isinstance(each, Source) for each in _matches(given, roots_of([given])[given])):
        raise InvalidRequest(f"INPUT {given!r}: no file matches this pattern (seen from {str(Path.cwd())!r})")


def find_sources(inputs: Sequence[str], skipped: Skipped, places: Places = NOWHERE) -> Iterator[Source | BadRow]:
    """The files that inputs lead to, in their order, each once; directories and globs sorted.

    What is not to be read is a bad row of a kind, so that it has its line; the tally is told of it.
    """
    seen = Digests()
    roots = roots_of(
        [given for given in inputs if given != STDIN and (is_address(given) or given not in places.copies)]
    )
    for given in inputs:
        root = roots.get(given)
        for found in [_copied(given, places)] if root is None else _expand(given, root, places):
            if isinstance(found, BadRow):
                # A glob beside its directory comes by the same hidden file twice.
                if not found.skipped or seen.add(f"skipped {found.path}"):
                    yield found
            elif is_address(given):
                yield from _once(found, skipped, seen, places)
            elif found.file is None or root is None:
                yield found
            elif places.is_output(found.file):
                skipped.count("output", found.path)
            elif not places.may_read(found.file):
                yield bad_row(found.path, None, "is a link that leads to where this process may not read")
            elif not seen.add(shown(root.key(found.file))):
                skipped.count("repeated", found.path)
            else:
                yield found


def _once(found: Source, skipped: Skipped, seen: Digests, places: Places) -> Iterator[Source]:
    """An object, unless another INPUT led to it, or it is the output."""
    where = str(found.remote.address) if isinstance(found.remote, BucketObject | WebFile) else found.path
    if places.is_written(where):
        skipped.count("output", found.path)
    elif not seen.add(where):
        skipped.count("repeated", found.path)
    else:
        yield found


def _copied(given: str, places: Places) -> Source:
    """Standard input, or another input that can be read only once."""
    return Source(STDIN if given == STDIN else shown(given), places.copies.get(given), nameless=True)


def _expand_address(given: str, root: Root, places: Places) -> Iterator[Source | BadRow]:
    address = address_of(given)
    if address.is_web:
        name = root.name(str(address))
        copy = places.copies.get(given)
        remote = None if copy is not None else WebFile(given, address, places.within)
        yield Source(name, copy, remote=remote, named=places.names.get(given, ""))
        return
    empty = True
    for found in found_at(address):
        empty = False
        if isinstance(found, Hidden):
            yield skipped_row(root.name(str(found.address)), "is hidden: not read", "hidden")
        else:
            yield Source(root.name(str(found.address)), None, remote=found)
    if empty:
        yield bad_row(str(address), None, "is gone: it stood there when the run was checked")


def _expand(given: str, root: Root, places: Places) -> Iterator[Source | BadRow]:
    if is_address(given):
        yield from _expand_address(given, root, places)
        return
    path = Path(given)
    if path.is_dir():
        yield from _walk(given, root, places)
    elif path.exists():  # before globs: a file may be called notes[1].txt
        nameless = not path.is_file()
        yield Source(shown(given) if nameless else root.name(path), path, nameless=nameless)
    elif matches := _matches(given, root):
        yield from matches
    else:
        yield bad_row(shown(given), None, "is gone: it stood there when the run was checked")


def _matches(pattern: str, root: Root) -> list[Source | BadRow]:
    """Files that match; directories do not count, since `**` reaches what is in them anyway."""
    found = glob.iglob(pattern, recursive=True)  # Path.glob takes no absolute pattern
    return [_found(file, root) for file in sorted(map(Path, found)) if not file.is_dir()]


def _walk(given: str, root: Root, places: Places = NOWHERE) -> Iterator[Source | BadRow]:
    """A directory's files before its directories, each sorted; links to directories are not followed."""
    faults: list[OSError] = []
    for folder, folders, files in os.walk(given, onerror=faults.append):
        yield from _drain(faults, root)
        for name in sorted(name for name in [*folders, *files] if name.startswith(".")):
            if not _is_note(Path(folder, name), places):
                yield skipped_row(root.name(Path(folder, name)), "is hidden: not read", "hidden")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            yield _found(Path(folder, name), root)
        for name in folders:
            if Path(folder, name).is_symlink():
                yield skipped_row(root.name(Path(folder, name)), "is a link to a directory: not followed", "special")
    yield from _drain(faults, root)


def _is_note(file: Path, places: Places) -> bool:
    """Whether a hidden file is what a run keeps beside its results."""
    return any(file.name.startswith(f".{each.name}.") and _same(file.parent, each.parent) for each in places.outputs)


def _found(file: Path, root: Root) -> Source | BadRow:
    if file.is_file() or not (file.exists() or file.is_symlink()):  # one that has just gone is told when opened
        return Source(root.name(file), file)
    why = "is a link that leads nowhere" if file.is_symlink() and not file.exists() else "is a pipe, socket or device"
    return skipped_row(root.name(file), f"{why}: not read", "special")


def _drain(faults: list[OSError], root: Root) -> Iterator[BadRow]:
    while faults:
        fault = faults.pop(0)
        yield bad_row(root.name(fault.filename), None, unreadable(fault))


def unreadable(error: OSError) -> str:
    """What to tell about a file that the operating system does not give."""
    return f"cannot be read: {error.strerror or error}"
