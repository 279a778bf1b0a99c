"""Who looks at a page, what they may do there, and what the page asks of the store."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from starlette.requests import Request

from homa.drivers.effects import Flow
from homa.gateway.access.principal import Principal
from homa.gateway.dashboard.desk import Desk
from homa.gateway.errors import ApiError
from homa_shared.store.gateway_keys import Role
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op

T = TypeVar("T")

_ACTORS = frozenset({Role.OPERATOR, Role.ADMIN})


@dataclass(slots=True)
class Visit:
    """One request for a page, let in."""

    request: Request
    principal: Principal
    desk: Desk
    #: What forms of this session have to show.
    csrf: str
    #: Whether a key opened it; False on a machine without keys.
    has_session: bool = False
    #: Commands that were sent to the store for it.
    commands: int = 0
    began_s: float = field(default_factory=time.perf_counter)

    @property
    def keys(self) -> Keys:
        return self.desk.jobs.keys

    @property
    def sees_fleet(self) -> bool:
        """Whether it is shown what belongs to all tenants."""
        return self.principal.role is not Role.TENANT

    @property
    def runs_fleet(self) -> bool:
        """Whether it may change what belongs to all tenants."""
        return self.principal.role in _ACTORS

    @property
    def acts(self) -> bool:
        """Whether it may change anything: a tenant its own jobs, an operator all."""
        return self.principal.role is not Role.VIEWER

    @property
    def tenant(self) -> str | None:
        """The only tenant that it sees; None: all."""
        return None if self.sees_fleet else self.principal.tenant

    @property
    def name(self) -> str:
        """Who it is, as the audit trail and the foot of the navigation say."""
        return self.principal.name

    def asked(self, name: str, most: int = 500) -> str:
        """A value of the address, without what no filter can hold."""
        return self.request.query_params.get(name, "").replace("\0", "").strip()[:most]

    def require_fleet(self) -> None:
        """Raises ApiError where the page is about all tenants and its key belongs to one."""
        self.principal.require_fleet()

    async def ask(self, op: Op[T]) -> T:
        """The answer of a store operation."""
        return await (await self.desk.jobs.store()).run(self._counted(op))

    async def run(self, flow: Flow[T]) -> T:
        """The result of what the client does."""
        return await self.desk.jobs.run(self._watched(flow))

    def _watched(self, flow: Flow[T]) -> Generator[Any, Any, T]:
        send, argument = flow.send, None
        while True:
            try:
                effect = send(argument)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                answer = yield self._counted(effect) if isinstance(effect, Op) else effect
                send, argument = flow.send, answer
            except Exception as error:
                send, argument = flow.throw, error

    def _counted(self, op: Op[T]) -> Op[T]:
        self.commands += len(op.commands)
        following = op.rest
        if following is None:
            return op

        def rest(replies: list[Any]) -> Op[T] | None:
            further = following(replies)
            return None if further is None else self._counted(further)

        return replace(op, rest=rest)


def nothing_here(what: str) -> ApiError:
    """The answer to the address of something that is not there, or is another tenant's."""
    return ApiError(404, f"{what} is not in the store: its id is wrong, or its retention has ended", "not_found")
