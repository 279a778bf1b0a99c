"""`homa mcp`: the fleet for assistants, by the Model Context Protocol over standard input and output, or over HTTP."""

from __future__ import annotations

from importlib.util import find_spec

import click

from homa.cli.addresses import MCP_PORT
from homa.cli.context import say, session
from homa.client.session import Session
from homa_shared.model.errors import MissingExtra
from homa_shared.store.versions import release


@click.command("mcp")
@click.option("--allow-writes", is_flag=True, help="Offer tools that cancel, retry, pause, resume and unfreeze, too.")
@click.option("--http", is_flag=True, help="Serve over streamable HTTP, at /mcp, instead of standard input and output.")
@click.option("--host", metavar="ADDRESS", help="Where --http listens; others need keys. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help=f"Default: {MCP_PORT}; 0 takes a free one.")
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Stop with whoever started it.")
def command(allow_writes: bool, http: bool, host: str | None, port: int | None, until_stdin_closes: bool) -> None:
    """Let an assistant look at the fleet, by the Model Context Protocol: over standard input and output, or over HTTP.

    Without --allow-writes it only looks: status, jobs, why one waits, batches, costs, limits, budgets, estimates. No
    tool submits a job or shows a prompt; the beginning of an answer is shown where the assistant asks for it.

    Over HTTP a key of `homa keys create` with the role viewer, operator or admin is shown as a bearer's; while none has
    been made, this machine alone is answered.
    """
    if find_spec("mcp") is None:
        raise MissingExtra("homa mcp", "mcp")
    if not http and (host is not None or port is not None):
        raise click.UsageError("--host and --port go with --http")
    offered = ", with writes" if allow_writes else ", read-only"
    with session() as here:
        if http:
            from homa.cli.mcp.over_http import serve_http

            where = ("127.0.0.1" if host is None else host, MCP_PORT if port is None else port)
            serve_http(here, *where, allow_writes=allow_writes, until_stdin_closes=until_stdin_closes, offered=offered)
        else:
            _serve_stdio(here, allow_writes=allow_writes, offered=offered)


def _serve_stdio(here: Session, *, allow_writes: bool, offered: str) -> None:
    from homa.cli.mcp.server import server

    say(f"serving the Model Context Protocol{offered}")
    server(here, allow_writes=allow_writes, release=release()).run("stdio")
