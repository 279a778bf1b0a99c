"""Cohere through its compatibility endpoint: OpenAI's protocol without some of its parameters.

Source: https://docs.cohere.com/docs/compatibility-api
"""

from __future__ import annotations

from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.openai.chat import OpenAIProvider
from homa_workers.providers.openai.dialects import Dialect

COHERE = Dialect(
    refused=frozenset({"logit_bias", "metadata", "n", "parallel_tool_calls", "service_tier", "store", "top_logprobs"}),
    output_cap="max_tokens",
    embedding_params={"encoding_format": "float", "input_type": "search_document"},
)


def cohere(config: ProviderConfig) -> OpenAIProvider:
    """An account at Cohere. Options: as OpenAI's."""
    return OpenAIProvider(config, COHERE)
