"""Ollama, on a machine of one's own: it has no price list, and no limit but the calls that it runs at once.

It cuts a prompt that is longer than its window without a word: set the window where it runs, by `OLLAMA_CONTEXT_LENGTH`
or the model's `num_ctx`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from homa_shared.kinds.billing import Billing
from homa_shared.kinds.families import ollama
from homa_shared.kinds.features import Feature
from homa_shared.kinds.profile import (
    Connection,
    EmbeddingLimits,
    KindProfile,
    MediaLimits,
    Quota,
    Variable,
)
from homa_shared.kinds.reserve_policy import ReservePolicy

#: Where it listens unless it is told otherwise: github.com/ollama/ollama, envconfig/config.go.
PORT = 11434


def _v1(host: str) -> str:
    """OLLAMA_HOST may leave out scheme and port, and 0.0.0.0 is an address to listen on, not one to call."""
    address = urlsplit(host if "://" in host else f"http://{host}")
    name = "127.0.0.1" if address.hostname in (None, "0.0.0.0", "::") else address.hostname
    name = f"[{name}]" if ":" in str(name) else name
    port = address.port or (443 if address.scheme == "https" else PORT)
    return f"{address.scheme}://{name}:{port}{address.path.rstrip('/').removesuffix('/v1')}/v1"


def _embedding_limits(_: str) -> EmbeddingLimits:
    """Not documented."""
    return EmbeddingLimits(texts=512)


PROFILE = KindProfile(
    "ollama",
    adapter="homa_workers.providers.openai.chat:ollama",
    options=frozenset({"headers", "organization", "params", "project"}),
    sdk="openai",
    extra="workers",
    simulator="homa_workers.simulator.dialects.compatible:OllamaDialect",
    connection=Connection(
        endpoint=f"http://127.0.0.1:{PORT}/v1",
        key_headers=("authorization",),
        user_in_address=False,
        variables=(Variable(("OLLAMA_HOST",), "base_url", makes_account=True, value_of=_v1),),
    ),
    quota=Quota(ReservePolicy.CONCURRENCY, adaptive=False),
    features=frozenset(Feature) - {Feature.IMAGE_URL, Feature.PDF, Feature.AUDIO, Feature.COUNT},
    media=MediaLimits(
        images=frozenset({"image/png", "image/jpeg", "image/webp"}),
        source="github.com/ollama/ollama, openai/openai.go",
    ),
    others=ollama.OTHERS,
    embedding_limits=_embedding_limits,
    billing=Billing(price_list=None, fees={}, service_tiers={}),
    checked="2026-11-29",
)
