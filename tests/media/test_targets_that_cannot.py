"""Targets that cannot do a job are left out, and a job that none can do is refused."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from homa import InvalidRequest
from homa_shared.store import reads
from tests.media.samples import GIF, PDF, PNG
from tests.media.standing import Stands
from tests.patience import PATIENCE_S
from tests.worker.cell import MINI


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


async def test_a_prompt_beyond_a_window_goes_to_a_wider_model(stand: Stands) -> None:
    at = await stand()
    job = await at.homa.submit("word " * 20_000, model="openai:gpt-4", fallbacks=[MINI])
    request = orjson.loads(await at.stored_request(job.id))
    assert request["targets"] == [MINI]
    assert request["skipped"][0][0] == "openai:gpt-4"
    assert "context window is 8192 tokens" in request["skipped"][0][1]
