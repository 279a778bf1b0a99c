"""Archives (zip, tar) as folders: a member is read by its own reader, and nothing is ever written under its name."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from homa.files.readers.content import EMPTY_ZIP, ZIP, Head
from homa.files.readers.document import Attached, Fault, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.expansion import BOMB, FREE_BYTES, MOST_RATIO, Expanding

#: Zip files that are programs, not folders of documents.
_PROGRAMS = (".jar", ".apk", ".whl", ".aar", ".ipa", ".xpi", ".war", ".nupkg")
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_LEAVES = re.compile(r"\A([/\\]|[A-Za-z]:)|(\A|[/\\])\.\.([/\\]|\Z)")
_ENCRYPTED = 0x1
#: Most members of an archive; a listing alone of millions takes gigabytes.
_MOST_MEMBERS = 100_000


class ZipReader:
    """Members in the order of their names."""

    name = "zip"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return head.data.startswith((ZIP, EMPTY_ZIP)) and head.suffix not in _PROGRAMS

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        try:
            archive = zipfile.ZipFile(opened.stream)
        except zipfile.BadZipFile as error:
            raise Unreadable(f"is damaged or cut off: {error}") from None
        members = [each for each in archive.infolist() if not each.filename.endswith("/")]
        _check(members, opened.stream)
        for member in sorted(members, key=lambda each: each.filename):
            fault = _refused(member.filename) or _unfit(member)
            if fault is not None:
                yield fault
                continue
            try:
                packed = archive.open(member)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                yield Fault(f"cannot be unpacked: {error}", part=member.filename)
                continue
            size = max(member.compress_size, 1)
            with packed:
                inner = Expanding(packed, lambda size=size: size)  # type: ignore[misc]
                yield Attached(member.filename, cast(IO[bytes], inner))


def _check(members: list[zipfile.ZipInfo], stream: IO[bytes]) -> None:
    """Raises Unreadable for an archive that is a bomb as a whole: its members may share their bytes."""
    if len(members) > _MOST_MEMBERS:
        raise Unreadable(f"holds {len(members):,} files: at most {_MOST_MEMBERS:,} are read; unpack it")
    if not members:
        raise Unreadable("is an empty archive")
    at = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(at)
    unpacked = sum(each.file_size for each in members)
    if unpacked > FREE_BYTES and unpacked > MOST_RATIO * size:
        raise Unreadable(BOMB)


def _unfit(member: zipfile.ZipInfo) -> Fault | None:
    if member.flag_bits & _ENCRYPTED:
        return Fault("is encrypted: unpack the archive with its password first", part=member.filename)
    if stat.S_ISLNK(member.external_attr >> 16):
        return Fault("is a link, which is not followed", part=member.filename, skipped="special")
    return None


def _refused(name: str) -> Fault | None:
    """Why a member is not looked at, by its name."""
    if _LEAVES.search(name):
        return Fault("has a name that leaves the archive: not read", part=name, skipped="special")
    if any(each.startswith(".") or each == "__MACOSX" for each in name.split("/")):
        return Fault("is hidden: not read", part=name, skipped="hidden")
    return None


class TarReader:
    """Members in the order in which they come, so that nothing has to be unpacked twice."""

    name = "tar"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = False
    markup = False

    def claims(self, head: Head) -> bool:
        return head.data[_TAR_AT : _TAR_AT + len(_TAR_MAGIC)] == _TAR_MAGIC

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        try:
            with tarfile.open(fileobj=opened.stream, mode="r|") as archive:
                for count, member in enumerate(archive):
                    if count >= _MOST_MEMBERS:
                        raise Unreadable(f"holds more than {_MOST_MEMBERS:,} files: unpack it")
                    yield from _member(archive, member)
        except tarfile.TarError as error:
            raise Unreadable(f"is damaged or cut off: {error}") from None


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[Found]:
    if member.isdir():
        return
    name = member.name.removeprefix("./")
    if (fault := _refused(name)) is not None:
        yield fault
    elif not member.isfile():
        yield Fault("is a link or a device, which is not read", part=name, skipped="special")
    elif (inner := archive.extractfile(member)) is not None:
        yield Attached(name, inner)
