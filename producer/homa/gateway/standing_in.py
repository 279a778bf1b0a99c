"""What a worker's process does for batches of files while no gateway lives: it needs nothing of a server."""

from __future__ import annotations

from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context
from homa.gateway.batches.keeper import Keeper
from homa.gateway.batches.workshop import Workshop
from homa.gateway.files.kept_files import KeptFiles
from homa.gateway.line_formats import LINE_FORMATS
from homa.submit.submitter import Submitter


async def stand_in(context: Context) -> None:
    """Goes on with batches of files until a gateway does it, or there is nothing more to do."""
    driver = AwaitingDriver(context)
    try:
        shop = Workshop(context.keys, driver, Submitter(context), KeptFiles(context, driver), LINE_FORMATS)
        await Keeper(shop, stands_in=True).run()
    finally:
        await driver.aclose()
