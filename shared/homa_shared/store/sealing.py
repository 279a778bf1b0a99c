"""Payloads on their way into the store and out of it: sealed where the process has keys, as they are where it has none.

Operations seal what they send and open what they read, so that whoever builds them knows nothing of keys. A payload is
bound to its kind; one that never moves in the store, to its place as well. Requests move to jobs that retry theirs,
replies into conversations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import orjson

from homa_shared.encryption import envelope
from homa_shared.encryption.cipher import BYTES
from homa_shared.encryption.keyring import Keyring
from homa_shared.model.errors import SealedPayload
from homa_shared.model.record_fields import short
from homa_shared.store.keys import Keys


class Kind(StrEnum):
    """What a payload is: one that was sealed as something else does not open."""

    #: Of a job, a step of a flow, a schedule, a Dramatiq message.
    REQUEST = "request"
    #: An outcome: an answer, or an error of the last attempt.
    REPLY = "reply"
    #: What an attempt's history says of it; bound to the job.
    NOTE = "note"
    METADATA = "metadata"
    #: What a step leaves for the next one, a tool's result; bound to job and step.
    STEP = "step"
    #: A piece of a streamed answer; bound to the job.
    STREAM = "stream"
    #: What a person says in a conversation; its system prompt.
    TURN = "turn"
    SYSTEM = "system prompt"
    #: Of a flow: an item, its steps as the client wrote them.
    ITEM = "item"
    DEFINITION = "definition"
    #: A stored prompt template; bound to its name.
    TEMPLATE = "template"
    #: What went wrong in an event handler; bound to the handler.
    LETTER = "dead letter"
    #: Of a batch of a file: what its caller said of it, and what is wrong with its lines; bound to the batch. Name of a
    #: file; bound to the file.
    FILE_BATCH = "batch of a file"
    FILE_NAME = "name of a file"
    #: An image, a document, a large reply's body, in the store; bound to its digest. A cached vector; to its name.
    MEDIUM = "medium"
    VECTOR = "vector"
    #: The same in a blob store, and a part of a file; bound to its path.
    BLOB = "blob"


_REQUEST = f"{Kind.REQUEST}\0"
#: Fields of a record that hold a payload, and those that hold a digest of one.
_METADATA, _DIGESTS = short("metadata"), (short("cache_key"), short("prefix"))


def keys_of(namespace: str, keyring: Keyring | None) -> Keys:
    """Keys of a namespace, with what seals the payloads under them.

    Raises:
        MissingExtra: there are keys of encryption, and the package cryptography is not installed.
    """
    if keyring is None:
        return Keys(namespace)
    from homa_shared.encryption.cipher import Cipher

    return Keys(namespace, Cipher(keyring, namespace))


def sealed(keys: Keys, kind: Kind, data: bytes, at: str = "", *, alike: bool = False) -> bytes:
    """A payload as it is sent to the store; an empty one stays empty.

    Args:
        at: where it stands, if it never moves.
        alike: equal ones are to be equal in the store, too (`Cipher.seal`).
    """
    if keys.cipher is None or not data:
        return envelope.unlike_sealed(data)
    return envelope.seal(keys.cipher, f"{kind}\0{at}", data, alike=alike)


def sealed_request(keys: Keys, data: bytes) -> bytes:
    """A request, or a message, that no script looks into."""
    return data if keys.cipher is None or not data else keys.cipher.seal_bytes(data, _REQUEST)


def sealed_text(keys: Keys, kind: Kind, text: str, at: str = "") -> str:
    """`sealed` for texts."""
    if keys.cipher is None and not text.startswith("{"):
        return text
    return sealed(keys, kind, text.encode(), at).decode()


def sealed_shown(keys: Keys, kind: Kind, data: bytes) -> bytes:
    """A payload in which scripts look for media, and for filters that it did not pass."""
    if keys.cipher is None or not data:
        return data
    if envelope.has_shown(data):
        return envelope.seal_shown(keys.cipher, f"{kind}\0", data)
    return keys.cipher.seal_bytes(data, f"{kind}\0")


def sealed_error(keys: Keys, error: bytes) -> bytes:
    """The outcome of a job without a reply: scripts count by its kind of error."""
    if keys.cipher is None:
        return error
    found = orjson.loads(error).get("error") or {}
    told = orjson.dumps({"kind": str(found.get("kind") or "unknown")})
    return envelope.seal_shown(keys.cipher, f"{Kind.REPLY}\0", error, b',"error":' + told)


def sealed_template(keys: Keys, text: str, holes: Sequence[str]) -> str:
    """A request with variables, whose values a script puts in their place."""
    if keys.cipher is None:
        return text
    return envelope.seal_template(keys.cipher, f"{Kind.REQUEST}\0", text.encode(), holes).decode()


def sealed_record(keys: Keys, fields: bytes) -> bytes:
    """Fields of a record as JSON, as `Common` and `Entry` encode them: payloads sealed, digests under a key."""
    if keys.cipher is None and b"homa.sealed" not in fields:
        return fields
    found = orjson.loads(fields)
    if found.get(_METADATA):
        found[_METADATA] = sealed_text(keys, Kind.METADATA, found[_METADATA])
    for name in _DIGESTS:
        if found.get(name):
            found[name] = keyed(keys, found[name])
    return orjson.dumps(found)


def sealed_bytes(keys: Keys, kind: Kind, data: bytes, at: str) -> bytes:
    """A payload of bytes that is not JSON, and never moves."""
    return data if keys.cipher is None else keys.cipher.seal_bytes(data, f"{kind}\0{at}")


def opened_bytes(keys: Keys, kind: Kind, raw: bytes, at: str) -> bytes:
    """What `sealed_bytes` made, or bytes that were never sealed; raises as `opened`."""
    if not raw.startswith(BYTES):
        return raw
    if keys.cipher is None:
        raise SealedPayload.without_key(raw[len(BYTES) :].partition(b"\0")[0].decode(errors="replace"))
    return keys.cipher.open_bytes(raw, f"{kind}\0{at}")


def keyed(keys: Keys, digest: str) -> str:
    """A digest of a payload, so that whoever reads the store cannot try out what it is of."""
    return digest if keys.cipher is None else keys.cipher.digest(digest)


def keyed_name(keys: Keys, key: str) -> str:
    """An idempotency key and its digest (`key digest`), with the digest under each key of this process, `d1,d2`.

    What was noted before a rotation is known behind it; the first is what is noted.
    """
    if keys.cipher is None or not key:
        return key
    name, _, digest = key.rpartition(" ")
    return f"{name} {keyed_list(keys, digest)}"


def keyed_list(keys: Keys, digest: str) -> str:
    """A digest under each key, `d1,d2`, and at last as it is: what was noted before there were keys."""
    return digest if keys.cipher is None else ",".join((*keys.cipher.digests(digest), digest))


def opened(keys: Keys, kind: Kind, raw: bytes, at: str = "") -> bytes:
    """A payload as it came from the store; one that is not sealed is returned as it is.

    Raises:
        SealedPayload: it cannot be opened here.
    """
    return envelope.opened(keys.cipher, f"{kind}\0{at}", raw)


def opened_text(keys: Keys, kind: Kind, text: str, at: str = "") -> str:
    """`opened` for texts."""
    if not text.startswith("{"):
        return text
    return opened(keys, kind, text.encode(), at).decode()


def opened_reply(keys: Keys, raw: bytes | None) -> bytes | None:
    """An outcome, or none."""
    return None if raw is None else envelope.opened(keys.cipher, f"{Kind.REPLY}\0", raw)


def opened_if_possible(keys: Keys, kind: Kind, raw: bytes) -> bytes:
    """A payload, or its envelope where its key is not here; what is damaged is told in its place."""
    try:
        return opened(keys, kind, raw)
    except SealedPayload as error:
        return orjson.dumps({"damaged": str(error)}) if error.is_damaged else raw


def opened_object(keys: Keys, kind: Kind, found: Mapping[str, object]) -> bytes:
    """A payload whose envelope a script has decoded and encoded again, so that its members stand in any order."""
    name = envelope.MARK[2:-3].decode()
    rest = {member: value for member, value in found.items() if member != name}
    return opened(keys, kind, orjson.dumps({name: found.get(name), **rest}))


def medium_name(keys: Keys, digest: str) -> str:
    """What a medium that is put there now is called in the store; its digest would tell what it is."""
    return digest if keys.cipher is None else keys.cipher.medium_names(digest)[0]


def medium_names(keys: Keys, digest: str) -> list[str]:
    """All that a medium may be called in the store: under each key, and its digest, from before there were keys."""
    return [digest] if keys.cipher is None else [*keys.cipher.medium_names(digest), digest]


def is_known_by(keys: Keys, noted: str, digest: str) -> bool:
    """Whether a digest that the store has is of the same as this one, under whichever key it was noted."""
    return noted == digest or (keys.cipher is not None and noted in keys.cipher.digests(digest))


def opened_fields(keys: Keys, kinds: Mapping[str, Kind], fields: Mapping[str, str]) -> dict[str, str]:
    """A hash some of whose fields are payloads."""
    return {name: opened_text(keys, kinds[name], value) if name in kinds else value for name, value in fields.items()}
