"""A compound file (MS-CFB, version 3), as Outlook saves messages in: sectors of 512 bytes chained by a table."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR = 512
#: Streams shorter than this would lie in mini sectors; they are filled up to it.
_MINI_CUTOFF = 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_MINI = 64


def compound_file(streams: Mapping[str, bytes]) -> bytes:
    """A file of streams by path; folders are the storages before a `/`."""
    entries: list[dict[str, object]] = [{"name": "Root Entry", "type": 5, "children": []}]
    mini, sectors, chains = bytearray(), bytearray(), []
    mini_chain: list[int] = []
    folders = {"": 0}
    for path, data in streams.items():
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = _add(entries, 0, {"name": folder, "type": 1, "children": []})
        start = _END
        if len(data) >= _MINI_CUTOFF:
            start = len(sectors) // _SECTOR
            sectors += data + bytes(-len(data) % _SECTOR)
            chains.append((start, len(sectors) // _SECTOR))
        elif data:
            start = len(mini) // _MINI
            mini += data + bytes(-len(data) % _MINI)
            mini_chain += [*range(start + 1, len(mini) // _MINI), _END]
        _add(entries, folders[folder], {"name": name, "type": 2, "start": start, "size": len(data)})
    return _assembled(entries, mini, mini_chain, sectors, chains)


def _add(entries: list[dict[str, object]], parent: int, entry: dict[str, object]) -> int:
    entries.append(entry)
    children = entries[parent]["children"]
    assert isinstance(children, list)
    children.append(len(entries) - 1)
    return len(entries) - 1


def _assembled(
    entries: list[dict[str, object]],
    mini: bytearray,
    mini_chain: list[int],
    sectors: bytearray,
    chains: list[tuple[int, int]],
) -> bytes:
    def put(data: bytes) -> int:
        start = len(sectors) // _SECTOR
        sectors.extend(data + bytes(-len(data) % _SECTOR))
        if len(sectors) // _SECTOR > start:
            chains.append((start, len(sectors) // _SECTOR))
            return start
        return _END

    size = len(mini)
    entries[0] |= {"start": put(bytes(mini)), "size": size}
    table = b"".join(struct.pack("<I", each) for each in mini_chain)
    mini_fat = put(table + b"\xff" * (-len(table) % _SECTOR))
    directory = put(b"".join(_entry(entries, each) for each in entries))
    count = len(sectors) // _SECTOR
    tables = 1
    while tables * (_SECTOR // 4) < count + tables:
        tables += 1
    fat = [_FREE] * (tables * (_SECTOR // 4))
    for start, end in chains:
        fat[start:end] = [*range(start + 1, end), _END]
    fat[count : count + tables] = [_FAT] * tables
    start = struct.pack("<8s16sHHHHH6x", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE, 9, 6)
    mini_sectors = -(-len(table) // _SECTOR)
    header = start + struct.pack("<9I", 0, tables, directory, 0, _MINI_CUTOFF, mini_fat, mini_sectors, _END, 0)
    places = [*range(count, count + tables), *[_FREE] * (109 - tables)]
    return header + struct.pack("<109I", *places) + bytes(sectors) + struct.pack(f"<{len(fat)}I", *fat)


def _entry(entries: list[dict[str, object]], entry: dict[str, object]) -> bytes:
    name = str(entry["name"]).encode("utf-16-le")
    children = entry.get("children")
    child = _tree(entries, children) if isinstance(children, list) and children else _FREE
    links = (_FREE, entry.get("right", _FREE), child)
    named = struct.pack("<64sHBB3I", name, len(name) + 2, entry["type"], 1, *links)
    return named + struct.pack("<16sIQQIQ", bytes(16), 0, 0, 0, entry.get("start", 0), entry.get("size", 0))


def _tree(entries: list[dict[str, object]], children: list[int]) -> int:
    """Siblings as a list that leans to the right, in the order that the format wants: by length, then by name."""
    order = sorted(children, key=lambda each: (len(str(entries[each]["name"])), str(entries[each]["name"]).upper()))
    for each, following in zip(order, [*order[1:], _FREE], strict=True):
        entries[each]["right"] = following
    return order[0]
