"""Azure OpenAI through its v1 endpoint, which needs no api-version; models are deployments of any name."""

from __future__ import annotations

from types import MappingProxyType

from homa_shared.kinds import openai_billing
from homa_shared.kinds.billing import Billing
from homa_shared.kinds.families import gpt
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import openai_takes_cache_breakpoints
from homa_shared.kinds.profile import (
    COMMON_IMAGES,
    MB,
    MIB,
    Connection,
    EmbeddingLimits,
    KindProfile,
    MediaLimits,
    PromptCaching,
    Quota,
    Variable,
)
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.kinds.retirements.openai import AZURE
from homa_shared.kinds.schema_limits import SchemaLimits


def _v1(endpoint: str) -> str:
    """The v1 endpoint of a resource, which takes no api-version and speaks OpenAI's protocol."""
    address = endpoint.rstrip("/")
    return address if "/openai" in address else f"{address}/openai/v1"


def _prompt_caching(model: str) -> PromptCaching:
    """learn.microsoft.com/azure/ai-foundry/openai/how-to/prompt-caching: as OpenAI's."""
    return PromptCaching(writes_cost=openai_takes_cache_breakpoints(model))


def _embedding_limits(_: str) -> EmbeddingLimits:
    """learn.microsoft.com/azure/ai-foundry/openai/quotas-limits: texts of one call; tokens as OpenAI's."""
    return EmbeddingLimits(texts=2048, tokens=300_000)


PROFILE = KindProfile(
    "azure",
    adapter="homa_workers.providers.openai.chat:azure",
    options=frozenset({"headers", "organization", "output_cap", "params", "project"}),
    sdk="openai",
    extra="workers",
    simulator="homa_workers.simulator.dialects.compatible:AzureDialect",
    connection=Connection(
        # Every resource has its own.
        endpoint=None,
        key_needed=True,
        key_headers=("authorization", "api-key"),
        request_id_headers=("x-request-id", "apim-request-id"),
        user_in_address=False,
        variables=(
            Variable(("AZURE_OPENAI_API_KEY",), "api_key", makes_account=True, needs="base_url"),
            Variable(("AZURE_OPENAI_ENDPOINT",), "base_url", value_of=_v1),
        ),
    ),
    # learn.microsoft.com/azure/ai-foundry/openai/how-to/quota: by prompt and max_tokens at receipt, never given back.
    quota=Quota(ReservePolicy.PROMPT_AND_MAX),
    features=frozenset(Feature) - {Feature.COUNT},
    schemas=SchemaLimits(
        any_root=False, source="learn.microsoft.com/azure/ai-foundry/openai/how-to/structured-outputs"
    ),
    media=MediaLimits(
        images=COMMON_IMAGES,
        image_bytes=20 * MIB,
        pdf_bytes=50 * MB,
        source="learn.microsoft.com/azure/ai-foundry/openai/how-to/gpt-with-vision",
    ),
    families=gpt.CHAT,
    others=gpt.OTHERS,
    responses_api=True,
    embedding_limits=_embedding_limits,
    prompt_caching=_prompt_caching,
    billing=Billing(
        price_list="azure",
        alias_names_model=True,
        # A deployment has any name; replies tell the model that it is of.
        bills_served_model=True,
        tier_names=openai_billing.TIER_NAMES,
        account_tiers=frozenset({"priority"}),
        terms=openai_billing.TERMS,
        parts=openai_billing.PARTS,
        fees=openai_billing.FEES,
        # learn.microsoft.com/azure/ai-foundry/openai/concepts/priority-processing
        service_tiers=MappingProxyType({name: name for name in ("auto", "default", "priority")}),
    ),
    retirements=AZURE,
    checked="2026-11-29",
)
