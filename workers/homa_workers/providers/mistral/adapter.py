"""Mistral's API.

It speaks OpenAI's protocol and refuses, with 422, each parameter and each field of a message that it does not know.
Source: https://docs.mistral.ai/api, its OpenAPI document, and the package mistralai 2.5.
"""

from __future__ import annotations

from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.mistral.errors import MISTRAL_RULES
from homa_workers.providers.mistral.reply import chat_completion
from homa_workers.providers.mistral.request import LEFT_OUT, chat_request
from homa_workers.providers.openai.chat import OpenAIProvider
from homa_workers.providers.openai.dialects import Dialect

MISTRAL = Dialect(
    refused=LEFT_OUT,
    # A stream's last chunk has the usage unasked; `stream_options` is refused.
    stream_params={},
    embedding_names={"dimensions": "output_dimension", "user": None},
    takes_cache_key=True,
    to_wire=chat_request,
    from_wire=chat_completion,
    rules=MISTRAL_RULES,
    quota_headers=(
        "x-ratelimit-limit-req-minute",
        "x-ratelimit-remaining-req-minute",
        "x-ratelimit-limit-tokens-minute",
        "x-ratelimit-remaining-tokens-minute",
    ),
)


def mistral(config: ProviderConfig) -> OpenAIProvider:
    """An account at Mistral.

    Options: `headers`, and `params` (parameters of every chat completion that sets none of its own, such as
    `safe_prompt`).
    """
    return OpenAIProvider(config, MISTRAL)
