"""The gateway as a server: where it may listen, and with which bounds."""

from __future__ import annotations

import os
import resource
import socket
from threading import Thread

import uvicorn
from starlette.applications import Starlette

from homa.drivers.context import Context
from homa.gateway.access.local_only import is_loopback
from homa.gateway.app import create_app
from homa.gateway.endpoint import Limits
from homa.gateway.protocol import BoundedProtocol
from homa_shared.model.errors import ConfigError

#: A connection without a request is kept for so long, s: longer than load balancers keep theirs.
_KEEP_ALIVE_S = 75
#: At the end, requests that are being answered have so long, s; their jobs go on in any case.
_GRACE_S = 30
#: Open files that are not connections of clients.
_OTHER_FILES = 64


def listen(host: str, port: int, *, any_keys: bool) -> socket.socket:
    """A socket that listens.

    Args:
        host: name or address.
        port: 0 takes a free one.
        any_keys: whether a key was ever made.

    Raises:
        ConfigError: it is not an address of this machine, it is taken, or others could reach a gateway without keys.
    """
    if not any_keys and not is_loopback(host):
        raise ConfigError(
            f"host is {host!r}, and no key has been made: anybody who reaches it could spend your money. Make one with "
            "`homa keys create --tenant NAME`, or listen on 127.0.0.1"
        )
    found: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(2048)
    except OSError as error:
        if found is not None:
            found.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port") from None
    return found


def serve(
    context: Context, listening: socket.socket, limits: Limits | None = None, *, until_stdin_closes: bool = False
) -> None:
    """Answers until a signal; jobs that are waited for go on without the gateway.

    Args:
        context: of this process.
        listening: its socket.
        limits: what one client may take.
        until_stdin_closes: whether it also stops with whoever holds its standard input.
    """
    serve_app(create_app(context, limits), listening, until_stdin_closes=until_stdin_closes)


def serve_app(app: Starlette, listening: socket.socket, *, until_stdin_closes: bool = False) -> None:
    """Serves an application of the gateway's until a signal.

    Args:
        app: gets `state.closing`, which tells whether it is to end.
        listening: its socket.
        until_stdin_closes: whether it also stops with whoever holds its standard input.
    """
    BoundedProtocol.most_connections = _most_connections()
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    # Streams without an end of their own look at it.
    app.state.closing = lambda: server.should_exit
    if until_stdin_closes:
        Thread(target=_stop_with_stdin, args=(server,), daemon=True).start()
    server.run([listening])


def _stop_with_stdin(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        pass
    server.should_exit = True


def _most_connections() -> int:
    """As many as this process may open files, which is raised as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(64, (most if soft == resource.RLIM_INFINITY else max(soft, most)) // 2 - _OTHER_FILES)
