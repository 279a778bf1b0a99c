"""OpenAI, and every server that speaks its protocol at a `base_url` of its own."""

from __future__ import annotations

from types import MappingProxyType

from homa_shared.kinds import openai_billing
from homa_shared.kinds.billing import Billing
from homa_shared.kinds.families import gpt
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import only_chats, openai_takes_cache_breakpoints
from homa_shared.kinds.profile import (
    COMMON_IMAGES,
    MB,
    Connection,
    EmbeddingLimits,
    KindProfile,
    MediaLimits,
    ModelNames,
    PromptCaching,
    Quota,
    Variable,
)
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.kinds.retirements.openai import OPENAI
from homa_shared.kinds.schema_limits import SchemaLimits


def _prompt_caching(model: str) -> PromptCaching:
    """developers.openai.com/api/docs/guides/prompt-caching"""
    return PromptCaching(writes_cost=openai_takes_cache_breakpoints(model))


def _embedding_limits(_: str) -> EmbeddingLimits:
    """platform.openai.com/docs/api-reference/embeddings/create"""
    return EmbeddingLimits(texts=2048, tokens=300_000)


PROFILE = KindProfile(
    "openai",
    adapter="homa_workers.providers.openai.chat:OpenAIProvider",
    options=frozenset({"headers", "organization", "output_cap", "params", "project"}),
    sdk="openai",
    extra="workers",
    simulator="homa_workers.simulator.dialects.openai:OpenAIDialect",
    connection=Connection(
        endpoint="https://api.openai.com/v1",
        key_needed=True,
        key_headers=("authorization",),
        user_in_address=False,
        variables=(
            Variable(("OPENAI_API_KEY",), "api_key", makes_account=True),
            Variable(("OPENAI_BASE_URL",), "base_url"),
        ),
    ),
    # platform.openai.com/docs/guides/rate-limits: by the larger of max_tokens and the estimate.
    quota=Quota(ReservePolicy.MAX_OF_TOTAL),
    features=frozenset(Feature) - {Feature.COUNT},
    schemas=SchemaLimits(any_root=False, source="platform.openai.com/docs/guides/structured-outputs"),
    media=MediaLimits(
        images=COMMON_IMAGES,
        image_count=1500,
        pdf_bytes=50 * MB,
        request_bytes=512 * MB,
        source="developers.openai.com/api/docs/guides/images-vision and …/pdf-files",
    ),
    model_names=ModelNames(only_chats=only_chats),
    families=gpt.CHAT,
    responses_api=True,
    embedding_limits=_embedding_limits,
    prompt_caching=_prompt_caching,
    billing=Billing(
        price_list="openai",
        # platform.openai.com/docs/api-reference/chat/create
        service_tiers=MappingProxyType({name: name for name in ("auto", "default", "flex", "priority")}),
        withholds_tier=openai_billing.withholds_tier,
        tier_names=openai_billing.TIER_NAMES,
        endpoint_factor=openai_billing.endpoint_factor,
        account_tiers=frozenset({"flex", "priority"}),
        terms=openai_billing.TERMS,
        parts=openai_billing.PARTS,
        fees=openai_billing.FEES,
    ),
    retirements=OPENAI,
    checked="2026-11-29",
)
