"""Wire shapes, a provider each."""

from __future__ import annotations

from homa_workers.simulator.dialect import Dialect
from homa_workers.simulator.dialects.anthropic import AnthropicDialect
from homa_workers.simulator.dialects.bedrock import BedrockDialect
from homa_workers.simulator.dialects.compatible import AzureDialect, CohereDialect, OllamaDialect
from homa_workers.simulator.dialects.gemini import GeminiDialect
from homa_workers.simulator.dialects.openai import OpenAIDialect


def all_dialects() -> tuple[Dialect, ...]:
    """All of them, in the order in which a path is tried: OpenAI's takes any prefix, so its relatives come first."""
    return (
        AzureDialect(),
        OllamaDialect(),
        CohereDialect(),
        OpenAIDialect(),
        AnthropicDialect(),
        GeminiDialect(),
        BedrockDialect(),
    )
