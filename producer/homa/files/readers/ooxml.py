"""What the XML formats of office programs have in common: a zip file of XML parts, none of which may have a DTD."""

from __future__ import annotations

import zipfile
from typing import IO
from xml.etree import ElementTree
from xml.parsers import expat

from homa.files.readers.document import Unreadable

#: Largest part that is parsed, bytes: its tree takes ten times as much.
MOST_PART_BYTES = 128 * 1024 * 1024
#: Bytes looked at together for what stands before the root element.
_PROLOG_BYTES = 64 * 1024
_ENCRYPTED = 0x1


class Package:
    """A zip file of parts."""

    def __init__(self, stream: IO[bytes]) -> None:
        try:
            self._zip = zipfile.ZipFile(stream)
        except zipfile.BadZipFile as error:
            raise Unreadable(f"is damaged or cut off: {error}") from None
        self.names = set(self._zip.namelist())

    def bytes(self, name: str) -> bytes:
        """A part as it is. Raises Unreadable for one that is missing, encrypted, damaged or too large."""
        try:
            info = self._zip.getinfo(name)
        except KeyError:
            raise Unreadable(f"is damaged: it has no {name}") from None
        if info.flag_bits & _ENCRYPTED:
            raise Unreadable("is encrypted: save it without a password first")
        with self._zip.open(info) as part:
            data = part.read(MOST_PART_BYTES + 1)
        if len(data) > MOST_PART_BYTES:
            raise Unreadable(f"holds a part, {name}, of more than {MOST_PART_BYTES:,} bytes: split it")
        return data

    def xml(self, name: str) -> ElementTree.Element:
        """A part's tree. Raises Unreadable for what is not plain XML."""
        return parsed(self.bytes(name), name)


def parsed(data: bytes, name: str) -> ElementTree.Element:
    """The tree of XML without a DTD. Raises Unreadable for any other."""
    if _has_dtd(data):
        raise Unreadable(f"declares entities in {name}, which no office program does: not read")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise Unreadable(f"is damaged: {name} is not valid XML ({error})") from None


class _Seen(Exception):
    """A DTD, or the root element: what comes first tells."""


def _has_dtd(data: bytes) -> bool:
    """Whether XML has a DTD. Entities are how small XML becomes large; office programs write none."""

    def seen(*what: object) -> None:
        raise _Seen(*what)

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: seen(True)
    parser.StartElementHandler = lambda *_: seen(False)
    try:
        for at in range(0, len(data), _PROLOG_BYTES):  # what stands behind is not read twice
            parser.Parse(data[at : at + _PROLOG_BYTES])
    except _Seen as what:
        return bool(what.args[0])
    except expat.ExpatError:  # which is told with its place by whoever reads it all
        return False
    return False


def local(tag: object) -> str:
    """A tag's name without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: ElementTree.Element, name: str) -> str:
    """An attribute by its name without its namespace; empty where there is none."""
    return next((value for key, value in element.attrib.items() if local(key) == name), "")


def relations(package: Package, part: str) -> dict[str, str]:
    """What a part refers to: id -> target as it is written."""
    folder, _, name = part.rpartition("/")
    path = f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"
    if path not in package.names:
        return {}
    return {each.get("Id", ""): each.get("Target", "") for each in package.xml(path)}
