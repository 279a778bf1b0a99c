"""What the store tells about webhooks of jobs and batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, read, text


@dataclass(frozen=True, slots=True)
class Webhook:
    """What became of telling one URL of the end of a job or batch."""

    id: str
    tenant: str
    #: job or batch, its id, and how it ended.
    about: str
    of: str
    came: str
    #: Where to; no more than its host, since the rest is often a secret.
    target: str
    #: waiting, delivered, failed (a person may ask for it again) or cancelled.
    state: str
    tries: int
    #: What went wrong last; empty where nothing did.
    error: str
    asked_ms: int
    #: When it is tried again, where it failed before; None: at once, or never.
    next_ms: int | None
    ended_ms: int | None
    #: The job that tells it.
    message: str


def webhook_tenants(keys: Keys) -> Op[list[str]]:
    """Tenants that had webhooks; an empty name for jobs of none."""
    return read((("SMEMBERS", keys.webhook_tenants()),), lambda replies: sorted(map(text, replies[0])))


def webhooks(keys: Keys, tenant: str) -> Op[list[Webhook]]:
    """The latest webhooks of a tenant, oldest first."""

    def parse(replies: list[Any]) -> list[Webhook]:
        told = ((name, orjson.loads(said)) for name, said in mapping(replies[0]).items())
        return sorted((_webhook(tenant, name, said) for name, said in told), key=lambda hook: (hook.asked_ms, hook.id))

    return read((("HGETALL", keys.schedule_deliveries(f"@{tenant}")),), parse)


def _webhook(tenant: str, name: str, told: dict[str, Any]) -> Webhook:
    def moment(field: str) -> int | None:
        return None if told.get(field) is None else int(told[field])

    return Webhook(
        id=name,
        tenant=tenant,
        about=told["about"],
        of=told["of"],
        came=told["came"],
        target=told["target"],
        state=told["state"],
        tries=int(told["tries"]),
        error=told.get("error") or "",
        asked_ms=int(told["asked"]),
        next_ms=moment("next"),
        ended_ms=moment("ended"),
        message=told["job"],
    )
