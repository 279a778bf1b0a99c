"""Media are kept as long as a job refers to them, and removed after that."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from homa.drivers.context import Context
from homa.submit.encoded_messages import Prepared
from homa.submit.uploads import Uploads
from homa_shared.calls.media import Medium
from homa_shared.settings.model import load_settings
from homa_shared.store.blobs import BlobsUnavailable, blobs_at, new_path
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions.media import hold, placed, uploading
from tests.media.samples import PNG
from tests.media.standing import Stands
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI, until


async def test_a_job_that_is_done_lets_go_of_its_media(stand: Stands) -> None:
    at = await stand(None)
    job = await at.homa.submit("What is it?", model=MINI, images=[PNG])
    process = await at.work()
    await job.result(timeout=PATIENCE_S)

    async def let_go() -> bool:
        return not any(key.startswith("mj:") for key in await at.kept())

    await until(let_go)
    # A minute later:
    digests = [key.removeprefix("md:") for key in await at.kept() if key.startswith("md:")]
    await at.store.run(Op((("ZADD", at.store.keys.media_until(), 1, digests[0]),), lambda _: None))
    pipeline = process.workers[0]._pipeline
    assert pipeline is not None
    await pipeline.media.sweep()
    assert await at.kept() == []


async def test_a_sweep_removes_blobs_that_nothing_refers_to(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    job = await at.homa.submit("What is it?", model=MINI, images=[PNG])
    await job.cancel()
    await at.store.run(Op((("DEL", at.store.keys.request(job.id)),), lambda _: None))
    (digest,) = [key.removeprefix("mj:") for key in await at.kept() if key.startswith("mj:")]
    await at.store.run(Op((("ZADD", at.store.keys.media_until(), 1, digest),), lambda _: None))
    process = await at.work()
    pipeline = process.workers[0]._pipeline
    assert pipeline is not None
    await pipeline.media.sweep()
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("placed_too", [False, True])
async def test_the_blob_of_a_client_that_died_before_its_submit_is_removed(
    stand: Stands, tmp_path: Path, placed_too: bool
) -> None:
    at = await stand()
    found = Medium(PNG, "image/png")
    path = new_path(at.store.keys.namespace, found.digest)
    await at.store.run(hold(at.store.keys, [(found.digest, "p:never")]))
    await at.store.run(uploading(at.store.keys, [path]))
    blobs = blobs_at((tmp_path / "blobs").as_uri())
    blobs.put(path, PNG)
    if placed_too:
        await at.store.run(placed(at.store.keys, {found.digest: path}))
    pipeline = (await at.work()).workers[0]._pipeline
    assert pipeline is not None
    await pipeline.media.sweep()
    assert blobs.get(path) == PNG, "it has time to submit its job"
    for key, member in ((at.store.keys.media_uploads(), path), (at.store.keys.media_until(), found.digest)):
        await at.store.run(Op((("ZADD", key, "XX", 1, member),), lambda _: None))
    await pipeline.media.sweep()
    assert blobs.get(path) is None
    assert await at.kept() == []


def test_media_that_are_gone_time_and_again_end_the_submission(tmp_path: Path) -> None:
    settings = load_settings(env={"HOMA_REDIS_URL": "redis://127.0.0.1:9", "HOMA_BLOBS": str(tmp_path)}, cwd=tmp_path)
    uploads, found = Uploads(Context(lambda: settings)), Medium(PNG, "image/png")
    uploads.add("j1", Prepared(b"[]", [], {found.digest: found}))
    flow, answers = uploads.send(Keys("homa")), itertools.cycle([[found.digest], None, None, []])
    next(flow)
    for _ in range(15):
        flow.send(next(answers))
    with pytest.raises(BlobsUnavailable, match=r"1 media were gone 4 times .* raise \[retention\] uploads"):
        flow.send(next(answers))
