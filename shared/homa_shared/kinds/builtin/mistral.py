"""Mistral's API, which speaks OpenAI's Chat Completions with parameters and shapes of its own."""

from __future__ import annotations

from homa_shared.kinds.billing import Billing
from homa_shared.kinds.families import mistral
from homa_shared.kinds.features import Feature
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

#: docs.mistral.ai/studio-api/conversations/vision lists those that see; these are older, or for code alone.
_TEXT_ONLY = ("codestral-", "mathstral-", "mistral-nemo", "mistral-saba", "mistral-tiny", "open-codestral-", "open-mi")
#: docs.mistral.ai/studio-api/knowledge-rag/embeddings
_EMBEDS = ("mistral-embed", "codestral-embed")
_CHATS = ("codestral-", "devstral-", "magistral-", "ministral-", "mistral-", "open-mi", "pixtral-", "voxtral-")


def _only_embeds(model: str) -> bool:
    return model.lower().startswith(_EMBEDS)


def _reads_text_only(model: str) -> bool:
    return model.lower().startswith(_TEXT_ONLY)


def _only_chats(model: str) -> bool:
    return model.lower().startswith(_CHATS) and not _only_embeds(model)


def _embedding_limits(_: str) -> EmbeddingLimits:
    """Its server refuses more as "Too many tokens in batch. Max is 16384"; how many texts is not documented."""
    return EmbeddingLimits(texts=96, tokens=16_000)


def _prompt_caching(_: str) -> PromptCaching:
    """docs.mistral.ai/studio-api/conversations/advanced/prompt-caching: blocks of 64 tokens, writes cost nothing."""
    return PromptCaching(least_tokens=64, writes_cost=False)


PROFILE = KindProfile(
    "mistral",
    adapter="homa_workers.providers.mistral.adapter:mistral",
    options=frozenset({"headers", "params"}),
    sdk="openai",
    extra="workers",
    simulator="homa_workers.providers.mistral.simulated:MistralDialect",
    connection=Connection(
        # docs.mistral.ai/api
        endpoint="https://api.mistral.ai/v1",
        key_needed=True,
        key_headers=("authorization",),
        request_id_headers=("mistral-correlation-id",),
        user_in_address=False,
        variables=(Variable(("MISTRAL_API_KEY",), "api_key", makes_account=True),),
    ),
    # docs.mistral.ai/admin/user-management-finops/tier: requests a second, and tokens a minute of input and output
    # together, for each model. Nothing says that max_tokens is reserved, so that plain totals are.
    quota=Quota(ReservePolicy.REQUESTS),
    # A document is read by its OCR, and in chats by a public address only.
    features=frozenset(Feature) - {Feature.PDF, Feature.COUNT},
    media=MediaLimits(
        images=COMMON_IMAGES,
        image_bytes=20 * MB,
        source="docs.mistral.ai/resources/known-limitations and …/conversations/vision",
    ),
    model_names=ModelNames(reads_text_only=_reads_text_only, only_embeds=_only_embeds, only_chats=_only_chats),
    others=mistral.OTHERS,
    embedding_limits=_embedding_limits,
    prompt_caching=_prompt_caching,
    billing=Billing(price_list="mistral", fees={}, service_tiers={}),
    checked="2026-11-29",
)
