"""Large replies are kept in the blob store, or whole where it does not take them."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from homa import JobFailed
from homa_shared.store import reads
from homa_shared.store.blobs import blobs_at
from homa_shared.store.operation import Op
from homa_workers.store_io.media import Media
from tests.media.standing import Away, Stands
from tests.patience import PATIENCE_S
from tests.providers.shapes import CHAT
from tests.providers.stub import reply
from tests.worker.cell import MINI


async def test_a_reply_whose_upload_came_too_late_stays_whole(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    keys, real = at.store.keys, blobs_at((tmp_path / "blobs").as_uri())

    class Slow:
        url = real.url

        async def put_async(self, path: str, data: bytes) -> None:
            await real.put_async(path, data)
            # Its time was over before it came through, and somebody has cleared it away.
            await at.store.run(Op((("ZREM", keys.media_uploads(), path),), lambda _: None))

    at.stub.answer = reply(200, CHAT)
    process = await at.work()
    pipeline = process.workers[0]._pipeline
    assert pipeline is not None
    pipeline.media = pipeline.acknowledger.media = Media(at.store, Slow(), above=10)  # type: ignore[arg-type]
    job = await at.homa.submit("Tell me", model=MINI)
    await job.result(timeout=PATIENCE_S)
    kept = await at.store.run(reads.reply(keys, job.id))
    assert kept is not None
    assert "body" in orjson.loads(kept)


async def test_a_large_reply_has_its_body_in_the_blob_store(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    text = "many words " * 10_000
    choice = {**CHAT["choices"][0], "message": {"role": "assistant", "content": text}}
    at.stub.answer = reply(200, {**CHAT, "choices": [choice]})
    await at.work()
    job = await at.homa.submit("Tell me everything", model=MINI, cache=True)
    assert (await job.result(timeout=PATIENCE_S)).text == text
    kept = await at.store.run(reads.reply(at.store.keys, job.id))
    assert kept is not None
    assert len(kept) < 1000
    again = await at.homa.submit("Tell me everything", model=MINI, cache=True)
    assert (await again.result(timeout=PATIENCE_S)).text == text
    for path in (tmp_path / "blobs").rglob("*-*"):
        path.unlink()
    with pytest.raises(JobFailed, match="succeeded, but its reply is gone"):
        await job.result(timeout=PATIENCE_S)


async def test_where_the_blob_store_does_not_take_it_a_reply_stays_whole(stand: Stands) -> None:
    at = await stand(HOMA_BLOBS_ABOVE="1024")
    text = "many words " * 1000
    choice = {**CHAT["choices"][0], "message": {"role": "assistant", "content": text}}
    at.stub.answer = reply(200, {**CHAT, "choices": [choice]})
    process = await at.work()
    pipeline = process.workers[0]._pipeline
    assert pipeline is not None
    pipeline.media = pipeline.acknowledger.media = Media(at.store, Away(), above=1024)
    job = await at.homa.submit("Tell me", model=MINI)
    assert (await job.result(timeout=PATIENCE_S)).text == text
