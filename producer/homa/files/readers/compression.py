"""Compressed files (gzip, bzip2, xz, zstd): what is in them is read by its own reader, under the outer file's name."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import IO, cast

from homa.files.readers.content import Head
from homa.files.readers.document import Attached, Found, Opened, ReadOptions, Unreadable
from homa.files.readers.expansion import Expanding

_SUFFIXES = (".gz", ".bz2", ".xz", ".zst", ".zstd", ".lzma")
#: Two endings in one.
_SHORT = {".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".tzst": ".tar", ".svgz": ".svg"}


def _gzip(stream: IO[bytes]) -> IO[bytes]:
    # Without a mode it takes the stream's, and a temporary file's is for writing.
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))


def _bzip2(stream: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], bz2.BZ2File(stream))


def _xz(stream: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], lzma.LZMAFile(stream))


def _zstd(stream: IO[bytes]) -> IO[bytes]:
    if find_spec("pyarrow") is None:
        raise Unreadable("is compressed by zstd, which needs: pip install 'homa-queue[documents]'")
    import pyarrow

    return cast(IO[bytes], pyarrow.CompressedInputStream(stream, "zstd"))


_DECOMPRESSORS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\0": _xz,
    b"\x28\xb5\x2f\xfd": _zstd,
}


class CompressedReader:
    """One file within, of any kind."""

    name = "compressed"
    needs: tuple[str, ...] = ()
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        return head.data.startswith(tuple(_DECOMPRESSORS))

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        magic = opened.stream.read(6)
        opened.stream.seek(0)
        unpack = next((each for start, each in _DECOMPRESSORS.items() if magic.startswith(start)), None)
        if unpack is None:
            raise Unreadable("is compressed in no way that is read here")
        inner = Expanding(unpack(opened.stream), opened.stream.tell)
        yield Attached("", cast(IO[bytes], inner), named=_inner_name(opened.path))


def _inner_name(path: str) -> str:
    """What the file was called before it was compressed."""
    for short, long in _SHORT.items():
        if path.lower().endswith(short):
            return path[: -len(short)] + long
    return next((path[: -len(each)] for each in _SUFFIXES if path.lower().endswith(each)), path)
