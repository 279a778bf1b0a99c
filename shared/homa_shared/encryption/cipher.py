"""The cipher of payloads: AES-256-GCM of the package cryptography.

No key of the keyring encrypts anything itself. Each process draws a salt, and derives a subkey by HKDF-SHA256 (RFC
5869) for `SALTED` messages; so does each child that it forks. With a random 96-bit nonce for each, two of them meet
under one subkey with a chance of 2^-57, however many messages a fleet seals by one key; NIST SP 800-38D allows 2^32
under one, for 2^-32. What was sealed is bound to its namespace, kind and place: moved elsewhere it does not open.

A token is `<key id>.<base64 of salt, nonce, ciphertext and tag>`. Bytes that stand by themselves are `BYTES`, the
key's id, a zero, and the same without base64.
"""

from __future__ import annotations

import binascii
import hmac
import os
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from homa_shared.encryption.keyring import EncryptionKey, Keyring
from homa_shared.model.errors import MissingExtra, SealedPayload

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: How sealed bytes begin.
BYTES = b"\0homa sealed 1\0"
#: Messages under one subkey.
SALTED = 2**20
_SALT, _NONCE = 16, 12
#: Subkeys that are kept, of all processes whose payloads were opened here.
_KEPT = 4096


_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@dataclass(slots=True)
class _Subkey:
    key: EncryptionKey
    salt: bytes
    aead: AESGCM
    left: int
    #: Forks of this process and those before it when it was derived: a child seals by none of its parent's.
    forks: int


class Cipher:
    """Seals payloads by the first key of a keyring, opens those that any of its keys sealed.

    Args:
        keyring: its keys.
        namespace: whose payloads these are.

    Raises:
        MissingExtra: cryptography is not installed.
    """

    def __init__(self, keyring: Keyring, namespace: str) -> None:
        #: What the cipher raises for what was changed. Importing it in each call would cost as much as deciphering.
        self._invalid = _invalid_tag()
        self.keyring = keyring
        self._namespace = namespace
        self._sealing: _Subkey | None = None
        #: Key and place -> what binds a payload to them.
        self._bounds: dict[tuple[str, str], bytes] = {}
        self._opening: OrderedDict[tuple[str, bytes], tuple[EncryptionKey, AESGCM]] = OrderedDict()

    def __reduce__(self) -> tuple[type[Cipher], tuple[Keyring, str]]:
        return Cipher, (self.keyring, self._namespace)

    def seal(self, data: bytes, place: str, *, alike: bool = False) -> bytes:
        """The token of a payload.

        Args:
            place: its kind, and where it stands, if it never moves.
            alike: equal payloads of one place are to be equal as tokens too, under one key. Salt and nonce are then a
                MAC of the payload, so that whoever reads the store sees which are equal, and nothing else.
        """
        key_id, sealed = self._sealed(data, place, alike=alike)
        return key_id + b"." + binascii.b2a_base64(sealed, newline=False)

    def seal_bytes(self, data: bytes, place: str) -> bytes:
        """The same of what stands by itself, a medium or a part of a file, as bytes."""
        key_id, sealed = self._sealed(data, place)
        return b"%b%b\0%b" % (BYTES, key_id, sealed)

    def _sealed(self, data: bytes, place: str, *, alike: bool = False) -> tuple[bytes, bytes]:
        """The id of the key, and what it made of a payload."""
        key = self.keyring.keys[0]
        if alike:
            drawn = _mac(key, b"alike", self._bound(key.id, place) + b"\0" + data)[: _SALT + _NONCE]
            salt, nonce = drawn[:_SALT], drawn[_SALT:]
            aead = _derived(key, salt)
        else:
            subkey = self._subkey(key)
            salt, nonce, aead = subkey.salt, os.urandom(_NONCE), subkey.aead
        return key.id.encode(), salt + nonce + aead.encrypt(nonce, data, self._bound(key.id, place))

    def open(self, token: bytes, place: str) -> bytes:
        """What was sealed at this place.

        Raises:
            SealedPayload: its key is not here; or it was changed, moved, or sealed by another key of the same id.
        """
        name, _, encoded = token.partition(b".")
        key_id = name.decode(errors="replace")
        try:
            sealed = binascii.a2b_base64(encoded)
        except binascii.Error:
            raise SealedPayload.damaged(key_id, place) from None
        return self._opened(key_id, sealed, place)

    def open_bytes(self, raw: bytes, place: str) -> bytes:
        """What `seal_bytes` sealed at this place; raises as `open`."""
        key_id, _, sealed = raw[len(BYTES) :].partition(b"\0")
        return self._opened(key_id.decode(errors="replace"), sealed, place)

    def _opened(self, key_id: str, sealed: bytes, place: str) -> bytes:
        key = self.keyring.key(key_id)
        if key is None:
            raise SealedPayload.without_key(key_id)
        salt, nonce, rest = sealed[:_SALT], sealed[_SALT : _SALT + _NONCE], sealed[_SALT + _NONCE :]
        try:
            return self._opener(key, salt).decrypt(nonce, rest, self._bound(key_id, place))
        except (self._invalid, ValueError):
            raise SealedPayload.damaged(key_id, place) from None

    def digest(self, text: str) -> str:
        """A digest that says nothing to whoever has not the key that seals, 32 hex digits; empty for an empty text."""
        return _mac(self.keyring.keys[0], b"digest", text.encode()).hex()[:32] if text else ""

    def digests(self, text: str) -> list[str]:
        """The same under each key: what was noted before a rotation is known behind it."""
        return [_mac(key, b"digest", text.encode()).hex()[:32] for key in self.keyring.keys]

    def medium_names(self, digest: str) -> list[str]:
        """What the store calls a medium, under each key, the one that seals first: 64 hex digits.

        Args:
            digest: SHA-256 of its bytes, by which whoever reads the store could tell that a known document was shown.
        """
        return [_mac(key, b"medium", digest.encode()).hex() for key in self.keyring.keys]

    def _bound(self, key_id: str, place: str) -> bytes:
        known = self._bounds.get((key_id, place))
        if known is None:
            known = f"homa 1\0{key_id}\0{self._namespace}\0{place}".encode()
            if place.endswith("\0"):
                # Of a kind alone: there are a dozen of those.
                self._bounds[key_id, place] = known
        return known

    def _subkey(self, key: EncryptionKey) -> _Subkey:
        known = self._sealing
        if known is None or known.key is not key or known.left <= 0 or known.forks != _forks:
            salt = os.urandom(_SALT)
            known = self._sealing = _Subkey(key, salt, _derived(key, salt), SALTED, _forks)
        known.left -= 1
        return known

    def _opener(self, key: EncryptionKey, salt: bytes) -> AESGCM:
        own = self._sealing
        if own is not None and own.salt == salt and own.key is key:
            return own.aead
        found = self._opening.get((key.id, salt))
        if found is None or found[0] is not key:
            found = self._opening[key.id, salt] = (key, _derived(key, salt))
            while len(self._opening) > _KEPT:
                self._opening.popitem(last=False)
        return found[1]


def _derived(key: EncryptionKey, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"homa payload").derive(key.secret))


def _mac(key: EncryptionKey, purpose: bytes, data: bytes) -> bytes:
    # A key for each purpose: what one of them says is of no use for another, nor for opening anything.
    own = hmac.digest(key.secret, b"homa " + purpose, sha256)
    return hmac.digest(own, data, sha256)


def _invalid_tag() -> type[Exception]:
    try:
        from cryptography.exceptions import InvalidTag
    except ImportError:
        raise MissingExtra("encryption_keys", "encryption") from None
    return InvalidTag
