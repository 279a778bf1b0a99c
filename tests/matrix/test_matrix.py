"""Every adapter does what its provider offers, through the provider's own SDK; what is not offered is known before."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.media import data_url, extract
from homa_shared.capabilities import Capabilities, needs_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_workers.providers.base import Provider
from homa_workers.simulator import Simulator
from tests.matrix.conftest import CASES, ENDS
from tests.matrix.features import PROOFS, ask, offered
from tests.media.samples import PDF
from tests.worker.cell import until

#: Parts that ask for what some providers do not offer.
_PARTS = {
    "images by URL": {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    "pdf": {"type": "file", "file": {"file_data": data_url(PDF)}},
}


@pytest.mark.parametrize(("kind", "column"), CASES)
async def test_an_adapter_does_what_its_provider_offers(
    kind: str, column: str, provider: Provider, simulator: Simulator
) -> None:
    if column == "cancel":
        await _leaves_when_cancelled(kind, provider, simulator)
    elif offered(kind, column):
        await PROOFS[column](provider, ENDS[kind][1])
    else:
        await _refuses(kind, column, provider)
        assert simulator.stats.received == 0


async def _leaves_when_cancelled(kind: str, provider: Provider, simulator: Simulator) -> None:
    """A call that is cancelled closes its connection at once, so that the provider stops writing."""
    call = asyncio.create_task(provider.complete(ask(ENDS[kind][1], "[[latency:60000]] Write a novel.")))
    await until(lambda: simulator.stats.in_flight == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: simulator.stats.in_flight == 0)
    assert simulator.stats.disconnects == 1


async def _refuses(kind: str, column: str, provider: Provider) -> None:
    """Nothing is sent: the target is passed over at submit, or the adapter says no."""
    model = ENDS[kind][1].chat
    if column == "count":
        assert await provider.count(ask(ENDS[kind][1], "Hello")) is None
    elif column == "embeddings":
        with pytest.raises(ProviderError) as caught:
            await provider.embed(model, ["Hello"], {})
        assert caught.value.kind is ErrorKind.INVALID_REQUEST
    else:
        extracted = extract([{"role": "user", "content": [_PARTS[column]]}])
        fleet = Fleet(providers={kind: FleetProvider(kind=kind)})
        needs = needs_of(extracted.messages, {}, extracted.media)
        assert Capabilities(fleet, PriceBook(fleet)).lack(Target(kind, model), needs)
