"""What the XML formats of office programs have in common: a zip file of XML parts, none of which may have a DTD."""

from __future__ import annotations

import re
import zipfile
from typing import IO
from xml.etree import ElementTree

from homa.files.readers.document import Unreadable

#: Largest part that is parsed, bytes: its tree takes ten times as much.
MOST_PART_BYTES = 128 * 1024 * 1024
#: Entities are how small XML becomes large; office programs write none.
_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
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
    wide = data.replace(b"\0", b"")  # UTF-16, as a DTD could hide in
    if _DOCTYPE.search(wide[: 64 * 1024]):
        raise Unreadable(f"declares entities in {name}, which no office program does: not read")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise Unreadable(f"is damaged: {name} is not valid XML ({error})") from None


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
