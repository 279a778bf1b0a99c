"""Keys of the HTTP gateway, as the store keeps them: their digests, and never the keys themselves.

One hash holds them all, `id` -> record as JSON, and `revoked:<id>` -> since when (ms): each change is one command. A
revoked key stays listed, so that a fleet which had keys never answers without one.

A key reads `homa_<id>_<secret>`. The secret is 32 random bytes, so that its SHA-256 needs no salt and no stretching.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from homa_shared.store.audit_trail import audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text

_KEY = re.compile(r"homa_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_REVOKED = "revoked:"


class Role(StrEnum):
    """What a key lets its bearer do."""

    #: Submit, and read and cancel its tenant's jobs.
    TENANT = "tenant"
    #: Read everybody's.
    VIEWER = "viewer"
    #: Read and cancel everybody's; submit.
    OPERATOR = "operator"
    #: All of that, and what concerns the fleet.
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One key, without its secret."""

    id: str
    role: Role
    tenant: str = ""
    #: Patterns of the models and aliases that it may ask for; empty: all.
    models: tuple[str, ...] = ()
    #: For people.
    name: str = ""
    created_ms: int = 0
    #: None while it is in force.
    revoked_ms: int | None = None
    #: SHA-256 of the secret, in hex.
    digest: str = ""
    #: Most that its jobs may cost in a period, nano-dollars; None: no budget of its own.
    cap_nano_usd: int | None = None
    #: day, month or total.
    period: str = "total"
    #: Most requests and tokens a minute; None: no bound.
    rpm: int | None = None
    tpm: int | None = None

    @property
    def has_rate(self) -> bool:
        return self.rpm is not None or self.tpm is not None

    def opens(self, secret: str) -> bool:
        """Whether a secret is this key's; takes the same time for any."""
        return hmac.compare_digest(self.digest, _digest(secret)) and self.revoked_ms is None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """What the store says of a key's id."""

    key: GatewayKey | None
    #: Whether any key was ever made.
    any_made: bool


def new_key(role: Role, tenant: str, models: tuple[str, ...], name: str, **bounds: Any) -> tuple[GatewayKey, str]:
    """A key, and the text that its bearer has to show: nobody can tell it afterwards.

    Args:
        bounds: `cap_nano_usd`, `period`, `rpm` and `tpm`.
    """
    key_id, secret = os.urandom(6).hex(), urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    made = GatewayKey(key_id, role, tenant, models, name, _now_ms(), None, _digest(secret), **bounds)
    return made, f"homa_{key_id}_{secret}"


def split_key(shown: str) -> tuple[str, str] | None:
    """Id and secret of a key as its bearer shows it; None where it is none."""
    found = _KEY.fullmatch(shown)
    return (found[1], found[2]) if found else None


def put_key(keys: Keys, key: GatewayKey) -> Op[None]:
    """Keeps a new key; the same again changes nothing."""
    putting: Op[None] = read((("HSETNX", _table(keys), key.id, orjson.dumps(_record(key))),), lambda _: None)
    return audited(putting, "key.created", key.id, role=key.role.value, tenant=key.tenant, models=list(key.models))


def revoke_key(keys: Keys, key_id: str, now_ms: int) -> Op[None]:
    """Takes a key out of force; one that was revoked before keeps its time."""
    revoking: Op[None] = read((("HSETNX", _table(keys), _REVOKED + key_id, now_ms),), lambda _: None)
    return audited(revoking, "key.revoked", key_id)


def forget_name(keys: Keys, key: GatewayKey) -> Op[None]:
    """Takes away what people called a key."""
    return read((("HSET", _table(keys), key.id, orjson.dumps(_record(replace(key, name="")))),), lambda _: None)


def find_key(keys: Keys, key_id: str) -> Op[FoundKey]:
    """The key of an id, and whether there are keys at all; an empty id asks for that alone."""

    def parse(replies: list[Any]) -> FoundKey:
        (record, revoked), count = replies
        return FoundKey(_key(key_id, record, revoked) if record else None, count > 0)

    table = _table(keys)
    return read((("HMGET", table, key_id, _REVOKED + key_id), ("HLEN", table)), parse)


def all_keys(keys: Keys) -> Op[list[GatewayKey]]:
    """Every key, the revoked ones too, oldest first."""

    def parse(replies: list[Any]) -> list[GatewayKey]:
        told = replies[0]
        pairs = list(told.items()) if isinstance(told, dict) else list(zip(told[::2], told[1::2], strict=True))
        fields = {text(name): value for name, value in pairs}
        found = [_key(name, record, fields.get(_REVOKED + name)) for name, record in fields.items() if ":" not in name]
        return sorted(found, key=lambda key: (key.created_ms, key.id))

    return read((("HGETALL", _table(keys)),), parse)


def _table(keys: Keys) -> str:
    return keys.own("gateway", "keys")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _record(key: GatewayKey) -> dict[str, Any]:
    record: dict[str, Any] = {
        "role": key.role.value,
        "tenant": key.tenant,
        "models": key.models,
        "name": key.name,
        "created": key.created_ms,
        "digest": key.digest,
    }
    if key.cap_nano_usd is not None:
        record |= {"cap": key.cap_nano_usd, "period": key.period}
    record |= {name: value for name, value in (("rpm", key.rpm), ("tpm", key.tpm)) if value is not None}
    return record


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(key_id: str, record: bytes, revoked: bytes | None) -> GatewayKey:
    said = orjson.loads(record)
    since_ms = int(revoked) if revoked else None
    role = Role(said["role"])
    return GatewayKey(
        key_id,
        role,
        said["tenant"],
        tuple(said["models"]),
        said["name"],
        said["created"],
        since_ms,
        said["digest"],
        said.get("cap"),
        said.get("period", "total"),
        said.get("rpm"),
        said.get("tpm"),
    )
