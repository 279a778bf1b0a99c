"""`homa mcp --http`: the same tools over streamable HTTP, for those whom the gateway's keys let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecuritySettings

from homa.cli.context import say
from homa.cli.mcp.server import server
from homa.client.session import Session
from homa.supervision.requirements import require_gateway
from homa_shared.store.gateway_keys import find_key
from homa_shared.store.versions import release

if TYPE_CHECKING:
    from homa.gateway.assistants import Application

#: The guard before it looks at Host and Origin, also where a key is shown, and for any name of this machine.
_CHECKED_BEFORE = TransportSecuritySettings(enable_dns_rebinding_protection=False)


def serve_http(
    here: Session, host: str, port: int, *, allow_writes: bool, until_stdin_closes: bool, offered: str
) -> None:
    """Answers until a signal.

    Args:
        host, port: where it listens; port 0 takes a free one.
        allow_writes: offer the tools that change something to keys that may change something.
        until_stdin_closes: also stop with whoever holds its standard input.
        offered: what is said of it.

    Raises:
        MissingExtra: the gateway is not installed here.
        ConfigError: it cannot listen there, or others could reach it while no key has been made.
    """
    require_gateway("homa mcp --http")
    from homa.gateway.server import listen, serve_app

    any_keys = here.store.run(find_key(here.keys, "")).any_made
    listening = listen(host, port, any_keys=any_keys)
    bound = listening.getsockname()
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    alone = "" if any_keys else ", without keys: for this machine only"
    say(f"serving the Model Context Protocol at http://{shown}:{bound[1]}/mcp{offered}{alone}")
    serve_app(app_of(here, allow_writes=allow_writes), listening, until_stdin_closes=until_stdin_closes)


def app_of(here: Session, *, allow_writes: bool) -> Application:
    """The application; what changes something is in a server of its own, which viewers do not reach."""
    from homa.gateway.assistants import assistants_app

    looking = _app(here, allow_writes=False)
    changing = _app(here, allow_writes=True) if allow_writes else None
    return assistants_app(looking, changing, lambda key_id: here.store.run(find_key(here.keys, key_id)))


def _app(here: Session, *, allow_writes: bool) -> Application:
    made = server(here, allow_writes=allow_writes, release=release())
    return made.streamable_http_app(json_response=True, stateless_http=True, transport_security=_CHECKED_BEFORE)
