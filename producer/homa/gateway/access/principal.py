"""Who asks, and what that lets them do."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from homa.gateway.errors import ApiError
from homa_shared.model.errors import JobNotFound
from homa_shared.store.gateway_keys import GatewayKey, Role

#: Roles that see the jobs of every tenant.
_SEE_ALL = frozenset({Role.VIEWER, Role.OPERATOR, Role.ADMIN})
#: Those that change nothing.
_READ_ONLY = frozenset({Role.VIEWER})


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever sent a request."""

    role: Role
    #: On whose behalf its jobs are submitted.
    tenant: str = ""
    #: Patterns of models and aliases that may be asked for; empty: all.
    models: tuple[str, ...] = ()
    #: Id of its key; empty while none has been made.
    key_id: str = ""
    #: Its key, whose budget and rate apply.
    key: GatewayKey | None = None

    @classmethod
    def of(cls, key: GatewayKey) -> Principal:
        return cls(key.role, key.tenant, key.models, key.id, key)

    def may_use(self, model: str) -> bool:
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def require_model(self, *models: str) -> None:
        """Raises ApiError for the first model that its key does not allow."""
        for model in models:
            if not self.may_use(model):
                allowed = ", ".join(self.models)
                raise ApiError(403, f"model is {model!r:.80}: this key allows {allowed}", "model_not_allowed", "model")

    def require_changes(self) -> None:
        """Raises ApiError where its key may only look."""
        if not self.may_change:
            raise ApiError(403, f"this key's role is {self.role}: it may only look", "role_not_allowed")

    def require_fleet(self) -> None:
        """Raises ApiError where its key may not look at what belongs to all tenants."""
        if self.role not in _SEE_ALL:
            shown = ", ".join(sorted(_SEE_ALL))
            raise ApiError(403, f"this key's role is {self.role}: the fleet is shown to {shown}", "role_not_allowed")

    @property
    def may_change(self) -> bool:
        return self.role not in _READ_ONLY

    @property
    def name(self) -> str:
        """Who it is, as the audit trail has it."""
        return f"key {self.key_id}" if self.key_id else "this machine"

    @property
    def budget_key(self) -> str:
        """Id of its key, whose budget its jobs spend; empty where that has none."""
        return self.key.id if self.key is not None and self.key.cap_nano_usd is not None else ""

    @property
    def sees_all(self) -> bool:
        """Whether it sees the jobs of every tenant."""
        return self.role in _SEE_ALL

    def sees(self, tenant: str) -> bool:
        return self.sees_all or tenant == self.tenant

    def require_sight(self, job_id: str, tenant: str | None) -> None:
        """Raises JobNotFound for a job that does not exist, and in the same words for another tenant's."""
        if tenant is None or not self.sees(tenant):
            raise JobNotFound(f"job {job_id!r:.80} is not in the store: its id is wrong, or its retention has ended")


#: Whoever asks from this machine while no key has been made.
LOCAL = Principal(Role.ADMIN)
