"""Gemini, at Google's Gemini API or at Vertex AI."""

from __future__ import annotations

from homa_shared.kinds.families import gemini
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import only_chats
from homa_shared.kinds.profile import (
    COMMON_IMAGES,
    MB,
    Billing,
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
    billing=Billing(price_list="google", fees=frozenset(), service_tiers={}),
    retirements=GEMINI,
    checked="2026-11-29",
)
