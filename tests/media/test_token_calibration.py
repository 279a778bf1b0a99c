"""Workers learn how far estimates of tokens are off."""

from __future__ import annotations

from homa_shared.store.reads.token_error import Learned, learned
from homa_workers.middleware.token_calibration import TokenCalibration
from tests.media.standing import Stands
from tests.providers.shapes import CHAT
from tests.worker.cell import until


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
