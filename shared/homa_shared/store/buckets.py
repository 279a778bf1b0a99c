"""Object stores by URL: buckets of S3, GCS and Azure, and directories, through obstore.

Credentials come from the environment as the cloud's own tools read it, never from the URL.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

#: For one request, and for its connection, which a machine outside of any cloud waits for when it has no credentials.
_TIMEOUT_S = 60
_CONNECT_S = 10


def open_bucket(url: str, *, retry: Mapping[str, Any] | None = None) -> Any:
    """An obstore store: a directory (`file:`), `memory:`, or a bucket with the URL's path as its prefix.

    Args:
        retry: obstore's retry configuration; None: its own.

    Raises:
        ImportError: obstore is not installed.
        obstore.exceptions.BaseError, OSError, ValueError: the URL is of no known kind, or names a directory that cannot
            be made.
    """
    import obstore.store

    scheme = urlsplit(url).scheme
    if scheme == "file":
        directory = Path(unquote(urlsplit(url).path))
        # What lies in it is as private as the requests that show it.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return obstore.store.LocalStore(directory)
    if scheme == "memory":
        return obstore.store.MemoryStore()
    # These options take the place of those that the environment names, so that they must allow what an endpoint
    # of somebody's own asks for: http, which no cloud's own endpoint speaks.
    options: Any = {
        "timeout": timedelta(seconds=_TIMEOUT_S),
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        "allow_http": True,
    }
    more: dict[str, Any] = {} if retry is None else {"retry_config": dict(retry)}
    return obstore.store.from_url(url, client_options=options, **more)


def first_line(error: Exception) -> str:
    """obstore's messages have a debug dump behind the first line, with whatever the server answered."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
