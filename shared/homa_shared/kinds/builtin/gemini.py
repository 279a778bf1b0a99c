"""Gemini, at Google's Gemini API or at Vertex AI."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from types import MappingProxyType

from homa_shared.kinds.billing import Billing, Term
from homa_shared.kinds.families import gemini
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
from homa_shared.kinds.retirements.google import GEMINI


def _embedding_limits(_: str) -> EmbeddingLimits:
    """ai.google.dev/api/embeddings: batchEmbedContents takes 100 texts; tokens are not documented."""
    return EmbeddingLimits(texts=100)


#: Its pages of prices give these two tiers for few models as amounts, and for these as factors.
_TIERS_SOURCE = "ai.google.dev/gemini-api/docs/pricing, as read for genai-prices 0.2.3"
_FLEX_AT_HALF = re.compile(r"gemini-(?:3\.[678]-flash|4-argon)")
_PRIORITY_AT_1_8 = re.compile(r"gemini-(?:3\.[78]-flash|4-argon)")


def _flex(model: str, day: date) -> Fraction | None:
    return Fraction(1, 2) if _FLEX_AT_HALF.fullmatch(model) else None


def _priority(model: str, day: date) -> Fraction | None:
    return Fraction(9, 5) if _PRIORITY_AT_1_8.fullmatch(model) else None


PROFILE = KindProfile(
    "gemini",
    adapter="homa_workers.providers.gemini.adapter:GeminiProvider",
    options=frozenset({"api_version", "headers", "location", "project"}),
    sdk="google.genai",
    extra="gemini",
    simulator="homa_workers.simulator.dialects.gemini:GeminiDialect",
    connection=Connection(
        endpoint="https://generativelanguage.googleapis.com",
        key_needed=True,
        key_headers=("x-goog-api-key",),
        variables=(Variable(("GEMINI_API_KEY",), "api_key", makes_account=True),),
    ),
    # ai.google.dev/gemini-api/docs/rate-limits: input tokens, and requests a day, which turns at midnight Pacific time.
    quota=Quota(ReservePolicy.INPUT_ONLY, day_zone="America/Los_Angeles"),
    media=MediaLimits(
        # GIF is not documented, and refused as "Unsupported MIME type: image/gif".
        images=COMMON_IMAGES - {"image/gif"} | {"image/heic", "image/heif"},
        image_count=3600,
        pdf_bytes=50 * MB,
        request_bytes=100 * MB,
        foreign_parts=False,
        source="ai.google.dev/gemini-api/docs/image-understanding and …/file-input-methods",
    ),
    features=frozenset(Feature),
    model_names=ModelNames(only_chats=only_chats),
    families=gemini.GENERATE,
    others=gemini.OTHERS,
    embedding_limits=_embedding_limits,
    billing=Billing(
        price_list="google",
        # Retired models are served by others, at the others' prices: ai.google.dev/gemini-api/docs/deprecations.
        bills_served_model=True,
        # ai.google.dev/gemini-api/docs/flex-inference and …/priority-inference: `default` is not among its values.
        service_tiers=MappingProxyType({"default": "", "auto": "", "flex": "flex", "priority": "priority"}),
        # Vertex AI's names, in `trafficType`.
        tier_names=MappingProxyType(
            {
                "on_demand_priority": "priority",
                "on_demand_flex": "flex",
                "on_demand_offpeak": "off-peak",
                "provisioned_throughput": "provisioned",
                "traffic_type_unspecified": "",
            }
        ),
        terms=MappingProxyType(
            {
                "flex": Term(("service_tier", "flex"), _flex, _TIERS_SOURCE),
                "priority": Term(("service_tier", "priority"), _priority, _TIERS_SOURCE),
                "batch": Term(("processing", "batch")),
            }
        ),
        fees=MappingProxyType({"web_searches": "web_searches"}),
    ),
    retirements=GEMINI,
    checked="2026-11-29",
)
