"""Anthropic's Messages API."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from types import MappingProxyType

from homa_shared.kinds.billing import Billing, Term
from homa_shared.kinds.families import claude
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import claude_least_cached_tokens, only_chats
from homa_shared.kinds.profile import (
    COMMON_IMAGES,
    MB,
    MIB,
    Connection,
    KindProfile,
    MediaLimits,
    ModelNames,
    PromptCaching,
    Quota,
    Variable,
)
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.kinds.retirements.anthropic import ANTHROPIC
from homa_shared.kinds.schema_limits import SchemaLimits


def _prompt_caching(model: str) -> PromptCaching:
    """platform.claude.com/docs/en/build-with-claude/prompt-caching"""
    return PromptCaching(claude_least_cached_tokens(model))


def _us(model: str, day: date) -> Fraction:
    """platform.claude.com/docs/en/about-claude/pricing: what may only run in the US costs a tenth more."""
    return Fraction(11, 10)


PROFILE = KindProfile(
    "anthropic",
    adapter="homa_workers.providers.anthropic.adapter:AnthropicProvider",
    options=frozenset({"headers", "max_tokens"}),
    sdk="anthropic",
    extra="workers",
    simulator="homa_workers.simulator.dialects.anthropic:AnthropicDialect",
    connection=Connection(
        endpoint="https://api.anthropic.com",
        key_needed=True,
        key_headers=("x-api-key",),
        request_id_headers=("request-id",),
        user_in_address=False,
        variables=(
            Variable(("ANTHROPIC_API_KEY",), "api_key", makes_account=True),
            Variable(("ANTHROPIC_BASE_URL",), "base_url"),
        ),
    ),
    # platform.claude.com/docs/en/api/rate-limits: input without cache reads, and output, each by itself.
    quota=Quota(ReservePolicy.SEPARATE),
    features=frozenset(Feature) - {Feature.EMBEDDINGS, Feature.AUDIO},
    schemas=SchemaLimits(
        recursion=False,
        open_objects=False,
        tuples=False,
        optional=24,
        source="platform.claude.com/docs/en/build-with-claude/structured-outputs",
    ),
    media=MediaLimits(
        images=COMMON_IMAGES,
        # 10 MB of base64.
        image_bytes=10 * MIB * 3 // 4,
        image_count=600,
        pdf_bytes=32 * MB * 3 // 4,
        request_bytes=32 * MIB,
        source="platform.claude.com/docs/en/build-with-claude/vision and …/pdf-support",
    ),
    model_names=ModelNames(only_chats=only_chats),
    families=claude.MESSAGES,
    others=claude.OTHERS,
    prompt_caching=_prompt_caching,
    billing=Billing(
        price_list="anthropic",
        # platform.claude.com/docs/en/api/service-tiers
        service_tiers=MappingProxyType({"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}),
        # `priority` is committed capacity, which has no price a token. `speed` and `inference_geo` come on top.
        price_parameters=MappingProxyType(
            {"speed": frozenset({"standard"}), "inference_geo": frozenset({"global", "not_available"})}
        ),
        tier_names=MappingProxyType({"global": "", "not_available": ""}),
        terms=MappingProxyType(
            {
                "fast": Term(("speed", "fast")),
                "batch": Term(("processing", "batch")),
                "us": Term(None, _us, "platform.claude.com/docs/en/build-with-claude/data-residency"),
            }
        ),
        # platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool: it costs nothing beside its tokens.
        fees=MappingProxyType({"web_search_requests": "web_searches", "web_fetch_requests": ""}),
    ),
    retirements=ANTHROPIC,
    checked="2026-11-29",
)
