"""Buckets of three clouds by URL, at servers that other people wrote to imitate them.

    make test-peers

installs moto (S3), Azurite (Azure) and gcp-storage-emulator (Google Cloud Storage) and runs these on the loopback.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_shared.calls.media import data_url
from homa_shared.model.constants import IN_STORE
from homa_shared.store.blobs import Blobs, BlobsUnavailable, blobs_at
from homa_shared.store.operation import Op
from homa_shared.store.transitions.media import places
from tests.media.clouds import CLOUDS, imitated
from tests.media.samples import PNG, png
from tests.media.standing import Stands, urls_of

MINI = "openai:gpt-6-luna"


@pytest.fixture(scope="module", params=list(CLOUDS))
def cloud(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """Name and endpoint of a cloud's imitation."""
    name, variable = request.param, CLOUDS[request.param].variable
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: make test-peers sets it")
    with imitated(name) as endpoint:
        yield name, endpoint


@pytest.fixture
def bucket(cloud: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a bucket, with its credentials and endpoint in the environment, as docs/operations.md says."""
    name, endpoint = cloud
    for variable, value in CLOUDS[name].environment(endpoint, tmp_path).items():
        monkeypatch.setenv(variable, value)
    return CLOUDS[name].url


def test_bytes_come_back_and_what_is_not_there_is_none(bucket: str) -> None:
    blobs: Blobs = blobs_at(bucket)
    blobs.put("homa/ab/abc-1", b"\0image" * 100_000)
    assert blobs.get("homa/ab/abc-1") == b"\0image" * 100_000
    assert blobs.get("homa/ab/none") is None


async def test_bytes_come_back_on_a_loop_and_go_for_good(bucket: str) -> None:
    blobs: Blobs = blobs_at(bucket)
    await blobs.put_async("p", b"1")
    assert await blobs.get_async("p") == b"1"
    await blobs.delete_async("p")
    await blobs.delete_async("p")
    assert await blobs.get_async("p") is None


def test_prefixes_of_a_bucket_do_not_meet(bucket: str) -> None:
    blobs_at(bucket).put("same", b"ours")
    other: Blobs = blobs_at(f"{bucket}-of-others")
    assert other.get("same") is None


def test_blobs_of_a_namespace_are_listed_and_removed(bucket: str) -> None:
    blobs: Blobs = blobs_at(f"{bucket}/listed")
    paths = {f"ours/ab/{n}": b"1" * n for n in range(1, 4)}
    for path, data in {**paths, "others/ab/1": b"1"}.items():
        blobs.put(path, data)
    found = {each.path: each.bytes for page in blobs.listing("ours") for each in page}
    assert found == {path: len(data) for path, data in paths.items()}
    for path in paths:
        blobs.delete(path)
        blobs.delete(path)
    assert not [page for page in blobs.listing("ours") if page]


def test_a_bucket_that_does_not_exist_is_named(bucket: str) -> None:
    missing = bucket.replace("//homa/", "//nobody-made-it/")
    with pytest.raises(BlobsUnavailable, match=r"nobody-made-it/blobs cannot be used.*check HOMA_BLOBS"):
        blobs_at(missing).put("p", b"1")


async def test_a_job_shows_its_image_and_the_sweep_clears_it_away(stand: Stands, bucket: str) -> None:
    at = await stand(None, HOMA_BLOBS=bucket)
    picture = png(3, 5)
    job = await at.homa.submit("What is it?", model=MINI, images=[picture])
    (digest,) = [key.removeprefix("mj:") for key in await at.kept() if key.startswith("mj:")]
    (place,) = await at.store.run(places(at.store.keys, [digest]))
    assert place != IN_STORE
    assert blobs_at(bucket).get(place) == picture
    process = await at.work()
    assert (await job.result(timeout=60)).text == "Hi there"
    assert urls_of(at.stub) == [data_url(picture)]

    pipeline = process.workers[0]._pipeline
    assert pipeline is not None
    await at.store.run(Op((("DEL", f"{at.store.keys.prefix}mj:{digest}"),), lambda _: None))
    await at.store.run(Op((("ZADD", at.store.keys.media_until(), 1, digest),), lambda _: None))
    await pipeline.media.sweep()
    assert blobs_at(bucket).get(place) is None


async def test_a_large_request_and_a_large_reply_live_in_the_bucket(stand: Stands, bucket: str) -> None:
    at = await stand(None, HOMA_BLOBS=bucket, HOMA_BLOBS_ABOVE="1024")
    text = "many words " * 10_000
    batch = await at.homa.submit_batch([{"prompt": text, "images": [PNG]}] * 3, model=MINI)
    await at.work()
    assert (await batch.wait(timeout=60)).succeeded == 3
    assert at.stub.requests[0].json["messages"][-1]["content"][0] == {"type": "text", "text": text}
