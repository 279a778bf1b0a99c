"""From `images=` to what the provider reads, through a real store and a real worker."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa import Homa, InvalidRequest, JobFailed
from homa.drivers.context import Context
from homa.submit.encoded_messages import Prepared
from homa.submit.uploads import Uploads
from homa_shared.calls.media import Medium, data_url
from homa_shared.model.constants import IN_STORE
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.blobs import BlobsUnavailable, blobs_at, new_path
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.reads.token_error import Learned, learned
from homa_shared.store.transitions.media import hold, placed, places, uploading
from homa_workers.middleware.token_calibration import TokenCalibration
from homa_workers.process.build import build
from homa_workers.store_io.media import Media, MediumGone
from tests.media.samples import GIF, PDF, PNG, png
from tests.media.standing import Stands, urls_of
from tests.patience import PATIENCE_S
from tests.providers.shapes import CHAT
from tests.providers.stub import reply
from tests.worker.cell import until

MINI = "openai:gpt-6-luna"


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
    pipeline.media = pipeline.acknowledger.media = Media(at.store, _Away())
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


class _Away:
    url = "s3://away"

    async def put_async(self, path: str, data: bytes) -> None:
        await self.get_async(path)

    async def get_async(self, path: str) -> bytes | None:
        from homa_shared.store.blobs import BlobsUnavailable

        raise BlobsUnavailable("the blob store s3://away cannot be used")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


async def test_without_a_blob_store_a_large_medium_is_refused(stand: Stands) -> None:
    at = await stand(None)
    with pytest.raises(InvalidRequest, match=r"image/png of \d+ bytes: without a blob store .* set HOMA_BLOBS"):
        await at.homa.submit("What is it?", model=MINI, images=[PNG + bytes(9_000_000)])
    assert await at.kept() == []


async def test_a_fallback_that_cannot_is_left_out_and_the_history_says_why(stand: Stands) -> None:
    at = await stand()
    job = await at.homa.submit("What is it?", model="ollama:llava", fallbacks=[MINI], images=[GIF])
    request = orjson.loads(await at.stored_request(job.id))
    assert request["targets"] == [MINI]
    await at.work()
    answer = await job.result(timeout=PATIENCE_S)
    assert (answer.provider, answer.model) == ("openai", "gpt-6-luna")
    view = await at.store.run(reads.job(at.store.keys, job.id))
    assert view is not None
    skipped, won = view.attempts
    assert (skipped.target, skipped.outcome) == ("ollama:llava", "skipped")
    assert "is image/gif, and it takes image/jpeg, image/png, image/webp" in skipped.error
    assert (won.target, won.outcome) == (MINI, "succeeded")


async def test_a_job_that_nobody_can_do_is_refused_before_anything_is_stored(stand: Stands) -> None:
    at = await stand()
    with pytest.raises(InvalidRequest, match=r"ollama:llava cannot do this job: it takes no PDF documents"):
        await at.homa.submit("Sum up", model="ollama:llava", files=[PDF])
    with pytest.raises(
        InvalidRequest, match=r"no target can do this job \(ollama:a: .*; openai:gpt-3.5-turbo: .*text only"
    ):
        await at.homa.submit("Look", model="ollama:a", fallbacks=["openai:gpt-3.5-turbo"], images=[GIF])
    assert await at.kept() == []


async def test_chat_and_embeddings_each_want_a_model_of_their_own(stand: Stands) -> None:
    at = await stand()
    with pytest.raises(InvalidRequest, match=r"openai:text-embedding-3-small cannot do this job: .* only embeds"):
        await at.homa.submit("Hello", model="openai:text-embedding-3-small")
    with pytest.raises(InvalidRequest, match="openai:gpt-6-luna cannot do this job: gpt-6-luna has no embeddings"):
        await at.homa.embed(["Hello"], model=MINI)
    job = await at.homa.submit("Hello", model="openai:text-embedding-3-small", fallbacks=[MINI])
    assert orjson.loads(await at.stored_request(job.id))["targets"] == [MINI]


async def test_a_medium_that_nobody_takes_is_named_as_the_application_gave_it(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    (tmp_path / "moving.gif").write_bytes(GIF)
    shown = {"images": [PNG, tmp_path / "moving.gif"], "system": "Be brief."}
    with pytest.raises(InvalidRequest, match=r"this job: images\[1\] .*/moving.gif is image/gif, and it takes"):
        await at.homa.submit("Look", model="ollama:llava", **shown)
    with pytest.raises(InvalidRequest, match=r"request 0: .* images\[1\] .*/moving.gif is image/gif, and it takes"):
        await at.homa.submit_batch([{"prompt": "Look", **shown}], model="ollama:llava")
    with pytest.raises(InvalidRequest, match=r"no images by URL \(images\[0\]\)"):
        await at.homa.submit("Look", model="ollama:llava", images=["https://example.com/a.png"])


async def test_a_batch_names_the_line_that_nobody_can_do(stand: Stands) -> None:
    at = await stand()
    with pytest.raises(InvalidRequest, match=r"request 1 \('scan'\): ollama:llava cannot do this job"):
        await at.homa.submit_batch(
            ["fine", {"prompt": "Look", "images": ["https://example.com/a.png"], "custom_id": "scan"}],
            model="ollama:llava",
        )


async def test_messages_never_open_a_file(stand: Stands, tmp_path: Path) -> None:
    at = await stand()
    (tmp_path / "secret.png").write_bytes(PNG)
    for url in (f"file://{tmp_path}/secret.png", f"{tmp_path}/secret.png"):
        part = {"type": "image_url", "image_url": {"url": url}}
        with pytest.raises(InvalidRequest, match="opened only for images="):
            await at.homa.submit(messages=[{"role": "user", "content": [part]}], model=MINI)


async def test_a_prompt_beyond_a_window_goes_to_a_wider_model(stand: Stands) -> None:
    at = await stand()
    job = await at.homa.submit("word " * 20_000, model="openai:gpt-4", fallbacks=[MINI])
    request = orjson.loads(await at.stored_request(job.id))
    assert request["targets"] == [MINI]
    assert request["skipped"][0][0] == "openai:gpt-4"
    assert "context window is 8192 tokens" in request["skipped"][0][1]


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
    pipeline.media = pipeline.acknowledger.media = Media(at.store, _Away(), above=1024)
    job = await at.homa.submit("Tell me", model=MINI)
    assert (await job.result(timeout=PATIENCE_S)).text == text


async def test_workers_learn_how_far_estimates_are_off(stand: Stands) -> None:
    at = await stand()
    await at.homa.submit_batch([f"prompt {n}" for n in range(50)], model="ollama:llama3.3")
    process = await at.work()
    pipeline = next(w._pipeline for w in process.workers if w.provider == "ollama")
    assert pipeline is not None
    await until(lambda: len(at.stub.requests) == 50)

    async def known() -> bool:
        await pipeline.middleware.find(TokenCalibration).learning.flush()
        return (await at.store.run(learned(at.store.keys, ["ollama:llama3.3"])))["ollama:llama3.3"].replies == 7

    await until(known)
    sums = (await at.store.run(learned(at.store.keys, ["ollama:llama3.3"])))["ollama:llama3.3"]
    assert sums.actual == 7 * CHAT["usage"]["prompt_tokens"]
    assert sums.factor == 4.0  # ten tokens by o200k, a hundred by the stub: nobody is that far off


def test_a_factor_needs_a_few_replies_and_keeps_within_reason() -> None:
    assert Learned(100, 150, 4).factor == 1.0
    assert Learned(100, 150, 5).factor == 1.5
    assert Learned(0, 150, 5).factor == 1.0
    assert Learned(100, 1, 5).factor == 0.3
