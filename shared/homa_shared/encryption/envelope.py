"""Sealed payloads as they stand in the store: JSON objects, since scripts copy, mark and extend what they cannot read.

    {"homa.sealed":"<token>","media":["homa:sha256:…"],"error":{"kind":"rate_limited"}}

Payloads that no script looks into are bytes (`BYTES` and what follows), which spares a third of their size; a late
reply of that form has `{"late":true}` in front.

What scripts have to know of a payload stands beside the token in clear: names of media under keys, the kind of an
error, filters that an answer did not pass. What they add to it (`late`, `flow`, values of a schedule's variables) is
put into the payload when it is opened. A payload that is not sealed, of an earlier release or from before encryption
was turned on, is what it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from homa_shared.encryption.cipher import BYTES
from homa_shared.model.errors import SealedPayload

if TYPE_CHECKING:
    from homa_shared.encryption.cipher import Cipher

#: How a sealed payload begins. `orjson` and cjson write no blank there, and nothing else has this name.
MARK = b'{"homa.sealed":"'
_NAME = MARK[1:]
#: What a script puts in front of a late reply of bytes.
_LATE = b'{"late":true}'
#: How one begins that scripts look at first: a late reply, and one that filters did not let pass.
_BEFORE = (b'{"late":true,', b'{"drop":[')
_MEDIUM = re.compile(rb"homa:sha256:[0-9a-f]{64}")
_BODY_AT = re.compile(rb'"body_at":"([0-9a-f]{64})"')
#: Hex digits of a digest.
_DIGEST = 64
_DROP = re.compile(rb'\{"drop":\[[^\]]*\],')


def seal(cipher: Cipher, place: str, data: bytes, beside: bytes = b"", *, alike: bool = False) -> bytes:
    """The envelope of a payload.

    Args:
        place: as `Cipher.seal`.
        beside: what stands in clear behind the token, as JSON members, each behind a comma.
        alike: as `Cipher.seal`.
    """
    return b'%b%b"%b}' % (MARK, cipher.seal(data, place, alike=alike), beside)


def seal_shown(cipher: Cipher, place: str, data: bytes, beside: bytes = b"") -> bytes:
    """The envelope of what may refer to media or have been dropped by filters, which scripts have to see."""
    digests = {found[-_DIGEST:].decode() for found in _MEDIUM.findall(data)} if b"homa:sha256:" in data else set()
    # Since they were uploaded a key may have come in front: scripts pass over names that are not in the store.
    media = [name for digest in sorted(digests) for name in cipher.medium_names(digest)]
    shown = beside
    if b'"body_at":"' in data and (at := _BODY_AT.search(data)) is not None:
        body, *others = cipher.medium_names(at[1].decode())
        shown += b',"body_at":"%b"' % body.encode()
        media += others
    if media:
        shown += b',"media":%b' % orjson.dumps([f"homa:sha256:{name}" for name in media])
    envelope = seal(cipher, place, data, shown)
    dropped = _DROP.match(data)
    return envelope if dropped is None else dropped[0] + envelope[1:]


def seal_template(cipher: Cipher, place: str, data: bytes, holes: Sequence[str]) -> bytes:
    """The envelope of a text with variables, which a script puts values in the place of.

    Args:
        holes: what stands for each in the text, as pieces of JSON text; so are the values that come into their place.
    """
    if not holes:
        return seal(cipher, place, data)
    found = [hole.encode() for hole in holes]
    named = orjson.dumps([hole.hex() for hole in found])
    # As they stand in the text: the script finds them here by the same letters.
    return seal(cipher, place, data, b',"holes":%b,"filled":["%b"]' % (named, b'","'.join(found)))


def has_shown(data: bytes) -> bool:
    """Whether scripts have to see something of a payload: media, a body elsewhere, filters that it did not pass."""
    return b"homa:sha256:" in data or b'"body_at":"' in data or data.startswith(b'{"drop":[')


def unlike_sealed(data: bytes) -> bytes:
    """A payload as it stands where nothing is sealed: what only looks like an envelope gets a blank behind its brace.

    Applications and models write what they like, and readers know an envelope by its first letters.
    """
    return data if not data.startswith(b"{") or _token(data) is None else b"{ " + data[1:]


def is_sealed(raw: bytes) -> bool:
    """Whether this is a sealed payload."""
    return raw.startswith(BYTES) or _token(raw) is not None


def key_of(raw: bytes) -> str:
    """Id of the key by which a payload is sealed; empty for what is not."""
    if raw.startswith(BYTES):
        return raw[len(BYTES) :].partition(b"\0")[0].decode(errors="replace")
    found = _token(raw)
    return "" if found is None else raw[found[0] : found[1]].partition(b".")[0].decode(errors="replace")


def opened(cipher: Cipher | None, place: str, raw: bytes) -> bytes:
    """A sealed payload, with what scripts have added; what is not sealed is returned as it is.

    Raises:
        SealedPayload: it cannot be opened here.
    """
    if raw.startswith(BYTES):
        if cipher is None:
            raise SealedPayload.without_key(key_of(raw))
        return cipher.open_bytes(raw, place)
    if raw.startswith(_LATE) and raw.startswith(BYTES, len(_LATE)):
        return b"%b,%b" % (_LATE[:-1], opened(cipher, place, raw[len(_LATE) :])[1:])
    found = _token(raw)
    if found is None:
        return raw
    start, end = found
    if cipher is None:
        raise SealedPayload.without_key(key_of(raw))
    data = cipher.open(raw[start:end], place)
    return data if start == len(MARK) and end + 2 == len(raw) else _with_additions(data, raw)


def _token(raw: bytes) -> tuple[int, int] | None:
    """Where the token stands in an envelope."""
    if raw.startswith(MARK):
        start = len(MARK)
    elif raw.startswith(_BEFORE) and (at := _named_at(raw)) is not None:
        start = at + len(_NAME)
    else:
        return None
    end = raw.find(b'"', start)
    return None if end < 0 else (start, end)


def _named_at(raw: bytes) -> int | None:
    """Where the envelope's name stands behind what scripts look at first; a payload of its own has it nowhere there."""
    at = 0
    if raw.startswith(_BEFORE[0]):
        at = len(_BEFORE[0])
    dropped = _DROP.match(b"{" + raw[at:] if at else raw)
    if dropped is not None:
        at = at + len(dropped[0]) - 1 if at else len(dropped[0])
    return at if raw.startswith(_NAME, at) else None


def _with_additions(data: bytes, raw: bytes) -> bytes:
    outer = orjson.loads(raw)
    for hole, value in zip(outer.get("holes", ()), outer.get("filled", ()), strict=True):
        data = data.replace(bytes.fromhex(hole), orjson.dumps(value)[1:-1])
    if outer.get("late"):
        data = b'{"late":true,' + data[1:]
    if "flow" in outer:
        data = b'%b,"flow":%b}' % (data[:-1], orjson.dumps(outer["flow"]))
    return data
