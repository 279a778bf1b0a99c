"""`homa gateway`: the HTTP face."""

from __future__ import annotations

import logging

import click

from homa.cli.addresses import PORT
from homa.cli.context import say, session
from homa.cli.option_types import seconds
from homa.supervision.requirements import require_gateway


@click.command("gateway")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need keys.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--wait",
    "wait_s",
    metavar="TIME",
    callback=seconds,
    default="15m",
    show_default=True,
    help="Longest wait of a request for its job.",
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True, help="Stop with whoever started it.")
def command(host: str, port: int, wait_s: float, until_stdin_closes: bool) -> None:
    """Serve OpenAI's and Anthropic's APIs, and Homa's own, until a signal.

    It joins the store that runs, and needs no provider's key. Requests are jobs: they go on when it is stopped.
    """
    require_gateway()
    from homa.drivers.context import Context, Start
    from homa.gateway.endpoint import Limits
    from homa.gateway.server import listen, serve
    from homa_shared.settings.model import load_settings
    from homa_shared.store.gateway_keys import find_key

    context = Context(load_settings, Start.NEVER, role="gateway")
    # An extra that is missing is told now, and not to each request.
    _ = context.traces
    with session() as here:
        any_keys = here.store.run(find_key(here.keys, "")).any_made
    listening = listen(host, port, any_keys=any_keys)
    _log_whole_records()
    bound = listening.getsockname()
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    say(f"gateway at http://{shown}:{bound[1]}" + ("" if any_keys else ", without keys: for this machine only"))
    serve(context, listening, Limits(wait_s=wait_s), until_stdin_closes=until_stdin_closes)


def _log_whole_records() -> None:
    """A server's log has times and tracebacks; what other commands say of it is for a person who waits."""
    logging.getLogger("homa").handlers.clear()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
