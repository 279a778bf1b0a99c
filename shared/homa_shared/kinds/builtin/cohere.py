"""Cohere through its compatibility endpoint, which speaks OpenAI's protocol."""

from __future__ import annotations

from homa_shared.kinds.billing import Billing
from homa_shared.kinds.families import command
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import only_chats
from homa_shared.kinds.profile import (
    COMMON_IMAGES,
    MB,
    Connection,
    EmbeddingLimits,
    KindProfile,
    MediaLimits,
    ModelNames,
    Quota,
    Variable,
)
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.kinds.retirements.cohere import COHERE


def _embedding_limits(_: str) -> EmbeddingLimits:
    """docs.cohere.com/reference/embed: 96 texts; tokens are not documented."""
    return EmbeddingLimits(texts=96)


PROFILE = KindProfile(
    "cohere",
    adapter="homa_workers.providers.cohere.adapter:cohere",
    options=frozenset({"headers", "organization", "params", "project"}),
    sdk="openai",
    extra="workers",
    simulator="homa_workers.simulator.dialects.compatible:CohereDialect",
    connection=Connection(
        # docs.cohere.com/docs/compatibility-api
        endpoint="https://api.cohere.ai/compatibility/v1",
        key_needed=True,
        key_headers=("authorization",),
        user_in_address=False,
        variables=(Variable(("CO_API_KEY",), "api_key", makes_account=True),),
    ),
    # docs.cohere.com/docs/rate-limits: calls a minute, whatever their tokens.
    quota=Quota(ReservePolicy.REQUESTS),
    features=frozenset(Feature) - {Feature.PDF, Feature.AUDIO, Feature.COUNT},
    media=MediaLimits(
        images=COMMON_IMAGES, image_count=20, request_bytes=20 * MB, source="docs.cohere.com/docs/image-inputs"
    ),
    model_names=ModelNames(only_chats=only_chats),
    families=command.COMPATIBLE,
    others=command.OTHERS,
    embedding_limits=_embedding_limits,
    billing=Billing(price_list="cohere", fees={}, service_tiers={}),
    retirements=COHERE,
    checked="2026-11-29",
)
