"""Assistants over HTTP: who may ask a fleet's server of the Model Context Protocol, and who may change something by it.

1. While no key has been made this machine alone is answered, and no page of another site (DNS rebinding included).
2. Once there are keys, one that sees the whole fleet is needed: viewer, operator or admin.
3. A viewer's key is given the tools that only look. Others are given those that change something, where they are
   offered; what is changed stands in the audit trail in the name of the key.

What is below is the official SDK's: https://modelcontextprotocol.io/specification, streamable HTTP. It is asked without
sessions, so that several of these may stand behind one address.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from homa.gateway import errors
from homa.gateway.access.doorkeeper import Doorkeeper
from homa.gateway.access.local_only import require_own_page
from homa.gateway.access.principal import Principal
from homa.gateway.answers import JsonAnswer
from homa.gateway.dialect import OPENAI
from homa.gateway.errors import ApiError
from homa_shared.model.errors import HomaError
from homa_shared.store.audit_trail import acting_as
from homa_shared.store.gateway_keys import FoundKey

#: What the SDK makes of a server.
Application: TypeAlias = Starlette

_log = logging.getLogger("homa.gateway")


def assistants_app(looking: Application, changing: Application | None, find: Callable[[str], FoundKey]) -> Application:
    """The application that answers assistants.

    Args:
        looking: offers the tools that look.
        changing: offers all tools; None where nothing may be changed.
        find: asks the store for the key of an id; it may block.
    """

    async def found(key_id: str) -> FoundKey:
        return await asyncio.to_thread(find, key_id)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in filter(None, (looking, changing)):
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    return Starlette(routes=[Mount("/", _Guard(looking, changing, Doorkeeper(found)))], lifespan=lifespan)


class _Guard:
    """Lets requests in, to what whoever sends them may do."""

    def __init__(self, looking: ASGIApp, changing: ASGIApp | None, doorkeeper: Doorkeeper) -> None:
        self._looking, self._changing, self._doorkeeper = looking, changing, doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal = await self._admitted(Request(scope))
        except ApiError as error:
            await _refusal(error)(scope, receive, send)
            return
        except HomaError as error:
            _log.warning("%s", error)
            await _refusal(errors.of_error(error))(scope, receive, send)
            return
        app = self._changing if self._changing is not None and principal.may_change else self._looking
        with acting_as(principal.name):
            await app(scope, receive, send)

    async def _admitted(self, request: Request) -> Principal:
        principal = await self._doorkeeper.admit(request)
        # Also where a key is shown: the protocol wants Origin looked at whoever asks.
        require_own_page(request)
        principal.require_fleet()
        return principal


def _refusal(error: ApiError) -> JsonAnswer:
    if error.status == 401:
        error.headers["www-authenticate"] = "Bearer"
    return JsonAnswer(OPENAI.error(error, ""), error.status, error.all_headers())
