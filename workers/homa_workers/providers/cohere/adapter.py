"""Cohere through its compatibility endpoint: OpenAI's protocol without some of its parameters.

Source: https://docs.cohere.com/docs/compatibility-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.openai.chat import OpenAIProvider
from homa_workers.providers.openai.dialects import Body, Dialect


def _said(body: Body) -> Body:
    """A request whose functions say only what Cohere knows of them."""
    if tools := body.get("tools"):
        body["tools"] = [_lenient(tool) for tool in tools]
    return body


def _lenient(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping) or "strict" not in function:
        return tool
    return {**tool, "function": {name: value for name, value in function.items() if name != "strict"}}


COHERE = Dialect(
    refused=frozenset({"logit_bias", "metadata", "n", "parallel_tool_calls", "service_tier", "store", "top_logprobs"}),
    strict=True,
    output_cap="max_tokens",
    embedding_names={"user": None},
    embedding_lacks={"dimensions": "Cohere's compatibility API gives vectors of the model's own width only"},
    to_wire=_said,
)


def cohere(config: ProviderConfig) -> OpenAIProvider:
    """An account at Cohere. Options: as OpenAI's."""
    return OpenAIProvider(config, COHERE)
