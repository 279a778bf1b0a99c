"""`homa batches stand-in`: what a worker starts where no gateway goes on with batches of files."""

from __future__ import annotations

import click

from homa.cli.end_with_worker import end_with_worker


@click.command("stand-in", hidden=True)
def stand_in() -> None:
    """Go on with batches of files until a gateway does it, or there is nothing more to do."""
    import asyncio

    from homa.drivers.context import Context, Start
    from homa.gateway import standing_in
    from homa_shared.settings.model import load_settings

    end_with_worker()
    asyncio.run(standing_in.stand_in(Context(load_settings, Start.NEVER, role="gateway")))
