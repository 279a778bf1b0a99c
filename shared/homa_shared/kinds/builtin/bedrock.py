"""Amazon Bedrock: chat models through Converse, embeddings through InvokeModel, credentials by AWS's own chain."""

from __future__ import annotations

from types import MappingProxyType

from homa_shared.kinds.billing import Billing
from homa_shared.kinds.families import bedrock
from homa_shared.kinds.features import Feature
from homa_shared.kinds.model_families import (
    bedrock_embeds_many,
    bedrock_takes_cache_points,
    claude_least_cached_tokens,
    only_chats,
)
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
from homa_shared.kinds.retirements.anthropic import BEDROCK
from homa_shared.kinds.schema_limits import SchemaLimits


def _prompt_caching(model: str) -> PromptCaching | None:
    """docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html"""
    return PromptCaching(claude_least_cached_tokens(model)) if bedrock_takes_cache_points(model) else None


def _embedding_limits(model: str) -> EmbeddingLimits:
    """docs.aws.amazon.com/bedrock/latest/userguide/: model-parameters-embed.html, titan-embedding-models.html"""
    return EmbeddingLimits(texts=96 if bedrock_embeds_many(model) else 1)


def _withholds(model: str, _: str) -> bool:
    """Claude is served by the default tier, or by reserved capacity."""
    return "anthropic.claude" in model.lower()


PROFILE = KindProfile(
    "bedrock",
    adapter="homa_workers.providers.bedrock.adapter:BedrockProvider",
    options=frozenset(
        {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "max_tokens", "profile", "region"}
    ),
    sdk="aiobotocore",
    extra="bedrock",
    simulator="homa_workers.simulator.dialects.bedrock:BedrockDialect",
    connection=Connection(
        # docs.aws.amazon.com/general/latest/gr/bedrock.html
        endpoint="https://bedrock-runtime.{region}.amazonaws.com",
        request_id_headers=("x-amzn-requestid",),
        variables=(
            # Each of these alone makes AWS's own chain of credentials work.
            Variable(
                (
                    "AWS_ACCESS_KEY_ID",
                    "AWS_PROFILE",
                    "AWS_BEARER_TOKEN_BEDROCK",
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                ),
                makes_account=True,
            ),
            Variable(("AWS_REGION", "AWS_DEFAULT_REGION"), "region"),
        ),
    ),
    # docs.aws.amazon.com/bedrock/latest/userguide/quotas-token-burndown.html
    quota=Quota(ReservePolicy.BURNDOWN),
    features=frozenset(Feature) - {Feature.IMAGE_URL, Feature.AUDIO},
    # Claude's limits are the narrowest of its models'.
    schemas=SchemaLimits(
        recursion=False,
        open_objects=False,
        tuples=False,
        optional=24,
        source="docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html",
    ),
    media=MediaLimits(
        images=COMMON_IMAGES,
        # Its reference of Message has 3.75 MB an image and 4.5 MB a document; its restrictions none for images, nor
        # for PDF at Claude 4 and Nova: models with less say so themselves.
        request_bytes=25 * MB,
        foreign_parts=False,
        documents_by_name=False,
        source="docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html",
    ),
    model_names=ModelNames(only_chats=only_chats),
    families=bedrock.CONVERSE,
    others=bedrock.OTHERS,
    embedding_limits=_embedding_limits,
    prompt_caching=_prompt_caching,
    billing=Billing(
        price_list="aws",
        # docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html; no list has their prices.
        service_tiers=MappingProxyType({"default": "default", "auto": "", "flex": "flex", "priority": "priority"}),
        withholds_tier=_withholds,
        fees=MappingProxyType({}),
    ),
    retirements=BEDROCK,
    checked="2026-11-29",
)
