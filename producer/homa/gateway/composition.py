"""The gateway's parts, put together for one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context
from homa.gateway.access.doorkeeper import Doorkeeper
from homa.gateway.batches.file_batches import FileBatches
from homa.gateway.batches.keeper import Keeper
from homa.gateway.batches.workshop import Workshop
from homa.gateway.endpoint import Limits, Services
from homa.gateway.files.kept_files import KeptFiles
from homa.gateway.line_formats import LINE_FORMATS
from homa.gateway.live_jobs import LiveJobs
from homa.submit.submitter import Submitter


def services_of(context: Context, limits: Limits) -> tuple[Services, AwaitingDriver]:
    """What all requests share, and the connections of what is done beside them."""
    jobs, driver = LiveJobs(context), AwaitingDriver(context)
    files = KeptFiles(context, driver)
    keeper = Keeper(Workshop(context.keys, driver, Submitter(context), files, LINE_FORMATS))
    batches = FileBatches(context.keys, driver, keeper, context.settings.batch_window)
    return Services(jobs, Doorkeeper(jobs.find_key), files, batches, limits), driver


@asynccontextmanager
async def running(services: Services, driver: AwaitingDriver) -> AsyncIterator[None]:
    """What the gateway does beside its requests, for as long as it serves."""
    turns = (services.jobs.warm_up(), services.files.keep_swept(), services.batches.keeper.run())
    tasks = [asyncio.create_task(turn) for turn in turns]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await driver.aclose()
        await services.jobs.aclose()
