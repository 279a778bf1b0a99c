"""`homa mcp`: the fleet for assistants, by the Model Context Protocol over standard input and output."""

from __future__ import annotations

from importlib.util import find_spec

import click

from homa.cli.context import say, session
from homa_shared.model.errors import MissingExtra
from homa_shared.store.versions import release


@click.command("mcp")
@click.option("--allow-writes", is_flag=True, help="Offer tools that cancel, retry, pause, resume and unfreeze, too.")
def command(allow_writes: bool) -> None:
    """Let an assistant look at the fleet, by the Model Context Protocol over standard input and output.

    Without --allow-writes it only looks: status, jobs, why one waits, batches, costs, limits, budgets, estimates. No
    tool submits a job or shows a prompt; the beginning of an answer is shown where the assistant asks for it.
    """
    if find_spec("mcp") is None:
        raise MissingExtra("homa mcp", "mcp")
    from homa.cli.mcp.server import server

    with session() as here:
        say(f"serving the Model Context Protocol{', with writes' if allow_writes else ', read-only'}")
        server(here, allow_writes=allow_writes, release=release()).run("stdio")
