"""A blob store that is missing, away, or has lost a medium."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from homa import InvalidRequest, JobFailed
from homa_shared.calls.media import data_url
from homa_shared.store import reads
from homa_workers.process.build import build
from homa_workers.store_io.media import Media
from tests.media.samples import PNG
from tests.media.standing import Away, Stands, urls_of
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI, until


async def test_a_worker_without_the_clients_blob_store_says_so(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    job = await at.homa.submit("What is it?", model=MINI, images=[PNG])
    await at.work(at.settings.model_copy(update={"blobs": None}))
    with pytest.raises(JobFailed, match=r"is in a blob store, and this worker has none: set HOMA_BLOBS"):
        await job.result(timeout=PATIENCE_S)
    assert at.stub.requests == []


async def test_a_medium_that_somebody_removed_is_named_and_uploaded_when_it_is_shown_again(
    stand: Stands, tmp_path: Path
) -> None:
    at = await stand()
    job = await at.homa.submit("What is it?", model=MINI, images=[PNG])
    for path in (tmp_path / "blobs").rglob("*-*"):
        path.unlink()
    await at.work()
    with pytest.raises(JobFailed, match=r"medium .* is not there at file://.*: submit the job again"):
        await job.result(timeout=PATIENCE_S)
    again = await at.homa.submit("What is it?", model=MINI, images=[PNG])
    assert (await again.result(timeout=PATIENCE_S)).text == "Hi there"
    assert urls_of(at.stub) == [data_url(PNG)]


async def test_while_the_blob_store_is_away_jobs_wait(stand: Stands) -> None:
    at = await stand()
    job = await at.homa.submit("What is it?", model=MINI, images=[PNG])
    process = await build(at.settings, at.address, ["openai"])
    worker, pipeline = process.workers[0], process.workers[0]._pipeline
    assert pipeline is not None
    pipeline.media = pipeline.acknowledger.media = Media(at.store, Away())
    serving_task = asyncio.create_task(worker.serve())

    async def given_back() -> bool:
        view = await at.store.run(reads.job(at.store.keys, job.id))
        # It was taken, and not held against it.
        return view is not None and view.job.attempt >= 1 and view.job.state == "due" and view.job.raw["tr"] == 0

    await until(given_back)
    worker.drain()
    await serving_task
    await process.aclose()
    assert at.stub.requests == []


async def test_without_a_blob_store_a_large_medium_is_refused(stand: Stands) -> None:
    at = await stand(None)
    with pytest.raises(InvalidRequest, match=r"image/png of \d+ bytes: without a blob store .* set HOMA_BLOBS"):
        await at.homa.submit("What is it?", model=MINI, images=[PNG + bytes(9_000_000)])
    assert await at.kept() == []
