"""Writes a delivery to a directory or an object store: a file a tick, whole or not at all."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from urllib.parse import unquote, urlsplit

from homa_shared.model.errors import HomaError
from homa_shared.store.blobs import blobs_at
from homa_workers.deliveries.undelivered import Undelivered


async def write(target: str, data: bytes, *, allowed: Sequence[str] | None, threads: Executor) -> None:
    """Writes a file, in the place of one of that name.

    Args:
        target: a path, or a URL.
        allowed: directories and buckets, as URLs, under which workers may write; None: anywhere.
        threads: one of them waits for the file system.

    Raises:
        Undelivered: it was not written, or may not be.
    """
    url = urlsplit(target)
    if url.scheme in ("", "file"):
        path = Path(unquote(url.path) if url.scheme else target)
        await asyncio.get_running_loop().run_in_executor(threads, _write_here, path, data, allowed)
        return
    if allowed is not None and not any(target.startswith(place.rstrip("/") + "/") for place in allowed):
        raise _not_allowed()
    try:
        store = blobs_at(f"{url.scheme}://{url.netloc}")
        await store.put_async(unquote(url.path).lstrip("/"), data)
    except HomaError as error:
        raise Undelivered(str(error)) from None
    except ValueError as error:
        # Parts of a path such as `..`, which a variable may have made.
        raise Undelivered(f"no object store takes this name: {error}", is_final=True) from None


def _write_here(path: Path, data: bytes, allowed: Sequence[str] | None) -> None:
    # As the file system has it: a link must not lead out of what is allowed.
    path = Path(os.path.realpath(path))
    if allowed is not None and not any(path.is_relative_to(place) for place in _directories(allowed)):
        raise _not_allowed()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as error:
        raise Undelivered(f"it cannot be written by {os.uname().nodename}: {error}") from None


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".homa-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _directories(allowed: Sequence[str]) -> list[str]:
    urls = map(urlsplit, allowed)
    return [os.path.realpath(unquote(url.path)) for url in urls if url.scheme == "file"]


def _not_allowed() -> Undelivered:
    return Undelivered(
        "workers may not write there: name the directory or bucket in their setting deliver_files", is_final=True
    )
