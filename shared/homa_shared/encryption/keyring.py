"""The keys that payloads are sealed by: how they are written down, and read again where their file has changed.

    k20261130-3f:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= k20260801-a1:…

A key is an id and base64 of 32 bytes. The first one seals, all of them open: a new key is added behind the others
everywhere, then put in front everywhere, and the old one taken away once nothing is kept any more that it sealed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from homa_shared.model.errors import ConfigError

#: Of a key, bytes: AES-256.
KEY_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
#: How often a file is looked at, s.
_LOOK_EACH_S = 1.0
_log = logging.getLogger("homa")
_EXPECTED = "expected `id:` and base64 of 32 bytes, as `homa config new-encryption-key` prints it; several by blanks"


@dataclass(frozen=True, slots=True)
class EncryptionKey:
    """A key and its id, which stands beside whatever it sealed."""

    id: str
    secret: bytes = field(repr=False)

    @property
    def check(self) -> str:
        """The id and a check value: 64 bits that tell whether others have the same key, and say nothing about it."""
        return f"{self.id}:{hmac.new(self.secret, b'homa key check', sha256).hexdigest()[:16]}"

    def written(self) -> str:
        """As settings hold it."""
        return f"{self.id}:{base64.b64encode(self.secret).decode()}"


def new_key() -> EncryptionKey:
    """A random key, named by today's date."""
    name = f"k{time.strftime('%Y%m%d', time.gmtime())}-{secrets.token_hex(2)}"
    return EncryptionKey(name, secrets.token_bytes(KEY_BYTES))


def parse_keys(text: str, where: str) -> tuple[EncryptionKey, ...]:
    """Keys as they are written down.

    Args:
        text: keys with blanks, commas or line ends between them.
        where: the setting that they came from, named in errors; no error holds any part of a key.

    Raises:
        ConfigError: there is none, one is none, or two have one id.
    """
    found: dict[str, EncryptionKey] = {}
    for what, word in _words(text, where):
        key = _key(word, what)
        if key.id in found:
            raise ConfigError(f"{where}: two keys have the id {key.id!r}: expected an id of its own for each")
        found[key.id] = key
    return tuple(found.values())


def _words(text: str, where: str) -> Iterator[tuple[str, str]]:
    """What stands for keys, each with its name for errors: of several lines, with the number of its line."""
    lines, number = text.strip("\ufeff").splitlines(), 0
    for at, line in enumerate(lines, start=1):
        for word in filter(None, re.split(r"[\s,]+", line)):
            number += 1
            yield (f"{where}, line {at}: key {number}" if len(lines) > 1 else f"{where}: key {number}"), word
    if not number:
        yield f"{where}: key 1", ""


def _key(word: str, what: str) -> EncryptionKey:
    name, colon, encoded = word.partition(":")
    if not colon or not _ID.fullmatch(name):
        raise ConfigError(f"{what} has no id: {_EXPECTED}")
    try:
        secret = base64.b64decode(encoded.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{what} ({name}) is no base64: {_EXPECTED}") from None
    if len(secret) != KEY_BYTES:
        raise ConfigError(f"{what} ({name}) has {len(secret)} bytes: {_EXPECTED}")
    return EncryptionKey(name, secret)


class Keyring:
    """The keys of a process, the first of which seals.

    Args:
        keys: at least one.
        path: file that they stand in; where it changes it is read again. What is of no use in it changes nothing, and
            is told once: a process that starts then would not start.
    """

    def __init__(self, keys: Sequence[EncryptionKey], path: Path | None = None) -> None:
        self._keys = tuple(keys)
        self._by_id = {key.id: key for key in keys}
        self._path = path
        self._seen = self._stamp()
        self._looked_s = time.monotonic()
        #: What was of no use at the last look, and whether that was told.
        self._useless, self._told = "", False

    def __reduce__(self) -> tuple[type[Keyring], tuple[tuple[EncryptionKey, ...], Path | None]]:
        return Keyring, (self._keys, self._path)

    @property
    def keys(self) -> tuple[EncryptionKey, ...]:
        """All of them, the one that seals first."""
        if self._path is not None and time.monotonic() - self._looked_s >= _LOOK_EACH_S:
            self._look()
        return self._keys

    def key(self, key_id: str) -> EncryptionKey | None:
        """The key of an id; a file is looked at again before there is none."""
        found = self._by_id.get(key_id)
        if found is not None or self._path is None:
            return found
        self._look()
        return self._by_id.get(key_id)

    @property
    def checks(self) -> list[str]:
        """What others may know of the keys, in their order."""
        return [key.check for key in self.keys]

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        stamp = self._stamp()
        if self._path is None or (stamp is not None and stamp == self._seen):
            return
        try:
            self._keys = parse_keys(self._path.read_text(encoding="utf-8"), str(self._path))
        except UnicodeDecodeError:
            self._tell(f"{self._path} is not UTF-8: {_EXPECTED}")
        except (OSError, ConfigError) as error:
            self._tell(f"{self._path} cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error))
        else:
            self._by_id = {key.id: key for key in self._keys}
            self._seen, self._useless, self._told = stamp, "", False

    def _tell(self, useless: str) -> None:
        """Of what two looks have found: one alone may have met a file that is being written."""
        if useless == self._useless and not self._told:
            self._told = True
            _log.warning(
                "%s. The keys read before stay in force in this process; mend the file before it restarts", useless
            )
        elif useless != self._useless:
            self._useless, self._told = useless, False

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
