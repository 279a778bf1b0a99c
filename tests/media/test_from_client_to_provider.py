"""From `images=` to what the provider reads, through a real store and a real worker."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from homa import Homa, InvalidRequest
from homa_shared.calls.media import data_url
from homa_shared.model.constants import IN_STORE
from homa_shared.settings.model import load_settings
from homa_shared.store.transitions.media import places
from homa_workers.store_io.media import Media, MediumGone
from tests.media.samples import PDF, PNG, png
from tests.media.standing import Stands, urls_of
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI


@pytest.mark.parametrize("blobs", ["blobs", None])
async def test_an_image_reaches_the_provider_and_stays_out_of_the_request(stand: Stands, blobs: str | None) -> None:
    at = await stand(blobs)
    job = await at.homa.submit("What is it?", model=MINI, images=[PNG, "https://example.com/a.png"])
    request = await at.stored_request(job.id)
    assert b"homa:sha256:" in request
    assert b"base64" not in request
    (digest,) = [key.removeprefix("mj:") for key in await at.kept() if key.startswith("mj:")]
    (place,) = await at.store.run(places(at.store.keys, [digest]))
    assert (place == IN_STORE) is (blobs is None)
    await at.work()
    assert (await job.result(timeout=PATIENCE_S)).text == "Hi there"
    assert urls_of(at.stub) == [data_url(PNG), "https://example.com/a.png"]


async def test_equal_images_of_many_jobs_are_uploaded_once(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    requests = [{"prompt": f"{n}?", "images": [PNG, png(2, 2)], "files": [PDF]} for n in range(30)]
    batch = await at.homa.submit_batch(requests, model=MINI)
    assert len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]) == 3
    await at.work()
    assert (await batch.wait(timeout=PATIENCE_S)).succeeded == 30
    assert {tuple(urls_of(at.stub, n)) for n in range(30)} == {(data_url(PNG), data_url(png(2, 2)))}
    document = at.stub.requests[0].json["messages"][-1]["content"][0]
    assert document == {"type": "file", "file": {"filename": "document.pdf", "file_data": data_url(PDF)}}


async def test_a_large_request_keeps_its_messages_in_the_blob_store(stand: Stands) -> None:
    at = await stand()
    text = "many words " * 10_000
    job = await at.homa.submit(text, model=MINI, system="Be brief.")
    assert len(await at.stored_request(job.id)) < 400
    await at.work()
    assert (await job.result(timeout=PATIENCE_S)).text == "Hi there"
    messages = at.stub.request.json["messages"]
    assert messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


async def test_a_large_request_with_images_comes_back_whole(stand: Stands) -> None:
    at = await stand(HOMA_BLOBS_ABOVE="1024")
    job = await at.homa.submit("words " * 1000, model=MINI, images=[PNG])
    await at.work()
    await job.result(timeout=PATIENCE_S)
    assert urls_of(at.stub) == [data_url(PNG)]


async def test_equal_requests_with_images_are_one_question_to_the_cache(stand: Stands) -> None:
    at = await stand()
    await at.work()
    first = await at.homa.submit("What is it?", model=MINI, images=[PNG], cache=True)
    await first.result(timeout=PATIENCE_S)
    again = await at.homa.submit("What is it?", model=MINI, images=[PNG], cache=True)
    other = await at.homa.submit("What is it?", model=MINI, images=[png(3, 3)], cache=True)
    assert (await again.result(timeout=PATIENCE_S)).cached
    assert not (await other.result(timeout=PATIENCE_S)).cached


async def test_one_key_with_another_image_is_another_request(stand: Stands) -> None:
    at = await stand()
    first = await at.homa.submit("What is it?", model=MINI, images=[PNG], key="k")
    assert (await at.homa.submit("What is it?", model=MINI, images=[PNG], key="k")).id == first.id
    with pytest.raises(InvalidRequest, match="another request"):
        await at.homa.submit("What is it?", model=MINI, images=[png(3, 3)], key="k")


async def test_messages_never_open_a_file(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    (tmp_path / "secret.png").write_bytes(PNG)
    for url in (f"file://{tmp_path}/secret.png", f"{tmp_path}/secret.png"):
        part = {"type": "image_url", "image_url": {"url": url}}
        with pytest.raises(InvalidRequest, match="opened only for images="):
            await at.homa.submit(messages=[{"role": "user", "content": [part]}], model=MINI)


async def test_a_document_reserves_the_whole_window_in_a_budget(stand: Stands) -> None:
    at = await stand()
    plain = await at.homa.submit("Sum up", model=MINI, max_tokens=10)
    paper = await at.homa.submit("Sum up", model=MINI, max_tokens=10, files=[PDF])
    bounds = [orjson.loads(await at.stored_request(job.id))["plans"][0][0] for job in (plain, paper)]
    assert bounds[1] - bounds[0] >= 400_000 * 250  # 400 000 tokens at 0.25 dollars a million


def test_a_thread_uploads_as_a_loop_does(tmp_path: Path, store_url: str, namespace: str) -> None:
    env = {
        "HOMA_REDIS_URL": store_url,
        "HOMA_NAMESPACE": namespace,
        "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-any",
        "HOMA_BLOBS": str(tmp_path / "blobs"),
    }
    with Homa(settings=load_settings(env=env, cwd=tmp_path)) as homa:
        homa.submit("What is it?", model=MINI, images=[PNG])
        homa.submit("And now?", model=MINI, images=[PNG])
    (path,) = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert path.read_bytes() == PNG


async def test_what_a_worker_shows_often_it_keeps_at_hand(stand: Stands) -> None:
    at = await stand()
    await at.homa.submit("What is it?", model=MINI, images=[PNG])
    (digest,) = [key.removeprefix("mj:") for key in await at.kept() if key.startswith("mj:")]
    media = Media(at.store, None)
    media._keep(digest, PNG)
    assert await media._fetch([digest]) == {digest: PNG}
    with pytest.raises(MediumGone):
        await media._fetch(["unknown"])
    media._keep("large", bytes(17 * 1024 * 1024))
    assert "large" not in media._cache
    for n in range(5):
        media._keep(str(n), bytes(16 * 1024 * 1024))
    assert digest not in media._cache
    assert media._cached_bytes <= 64 * 1024 * 1024
