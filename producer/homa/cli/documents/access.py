"""Documents of `homa keys`, `audit` and `tenants`."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class KeyDocument(TypedDict):
    id: str
    role: str
    tenant: str
    #: Empty: all.
    models: list[str]
    budget_usd: str | None
    budget_period: str | None
    rpm: int | None
    tpm: int | None
    name: str
    created_ms: int
    revoked_ms: int | None


class MadeKeyDocument(KeyDocument):
    #: The secret, which is not shown again.
    key: str


class KeysDocument(TypedDict):
    keys: list[KeyDocument]


class AuditEntryDocument(TypedDict):
    id: str
    at_ms: int
    actor: str
    via: str
    action: str
    subject: str
    details: dict[str, Any]
    digest: str


class AuditLogDocument(TypedDict):
    entries: list[AuditEntryDocument]


class VerificationDocument(TypedDict):
    entries: int
    digest: str
    #: What is wrong; null: the trail is whole.
    broken: str | None
    #: Of --expect alone.
    expected_found: NotRequired[bool]


class ErasureDocument(TypedDict):
    tenant: str
    at_ms: int
    #: Kind of thing -> how many.
    erased: dict[str, int]
    kept_for_unresolved_cost: int
    still_running: int
    jobs_digest: str
    #: Without --dry-run: SHA-256 of the rest as canonical JSON.
    digest: NotRequired[str]
    #: With --dry-run alone.
    dry_run: NotRequired[bool]
