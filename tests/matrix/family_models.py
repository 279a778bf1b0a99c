"""A model of each family that is known, at each kind that serves it, and one that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping

_GPT = (
    "gpt-4o-mini", "gpt-4.1", "gpt-4", "gpt-3.5-turbo", "gpt-4o-search-preview", "gpt-5-chat-latest", "gpt-5.3-chat",
    "chatgpt-4o-latest", "gpt-5.4-nano",
    "o1", "o3", "o3-mini", "o4-mini", "o3-pro", "o4-mini-deep-research", "gpt-5", "gpt-5-mini", "gpt-5-nano",
    "gpt-5-pro", "gpt-5-codex", "gpt-5.1", "gpt-5.1-codex-max", "gpt-5.2", "gpt-5.2-pro", "gpt-5.4", "gpt-5.4-mini",
    "gpt-5.5", "gpt-5.6-luna", "gpt-6-luna", "gpt-6-sol", "gpt-6-astra", "gpt-6.1-sol", "gpt-6.1-terra", "gpt-6.2-sol",
    "ft:gpt-4.1:acme::a1", "ft:gpt-6-luna-2026-10-01:acme::a1", "gpt-7-new",
)  # fmt: skip
_CLAUDE = (
    "claude-3-haiku-20240307", "claude-3-5-haiku-20241022", "claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514",
    "claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5", "claude-opus-4-6",
    "claude-sonnet-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5", "claude-opus-5", "claude-haiku-5-5",
    "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2", "claude-mythos-5-1", "claude-opus-6",
)  # fmt: skip

#: Kind -> chat models.
CHATS: Mapping[str, tuple[str, ...]] = {
    "openai": (*_GPT, "somebody/llama-4"),
    "azure": (*_GPT[:2], "gpt-5-mini", "gpt-5.4", "gpt-6-luna", "gpt-6.2-sol", "our-own-deployment"),
    "anthropic": (*_CLAUDE, "some-model"),
    "bedrock": (
        *(f"us.anthropic.{name}-v1:0" for name in _CLAUDE if name[-8:].isdigit() or "4-5" in name or "4-1" in name),
        *(f"anthropic.{name}" for name in _CLAUDE[8:]),
        "us.amazon.nova-2-lite-v1:0", "amazon.nova-lite-v1:0", "openai.gpt-oss-120b-1:0",
        "us.meta.llama4-scout-17b-instruct-v1:0", "mistral.mistral-large-2407-v1:0",
        "mistral.mistral-large-3-675b-instruct", "us.openai.gpt-6-luna", "cohere.command-r-v1:0",
        "us.deepseek.r1-v1:0", "qwen.qwen3-32b-v1:0", "ai21.jamba-1-5-mini-v1:0", "us.writer.palmyra-x5-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefgh1234",
    ),
    "gemini": (
        "gemini-2.0-flash", "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-3-pro-preview",
        "gemini-3-flash-preview", "gemini-3.1-pro-preview", "gemini-3.1-flash-lite", "gemini-3.5-flash",
        "gemini-3.5-flash-lite", "gemini-3.6-flash", "gemini-3.7-flash", "gemini-3.8-flash", "gemini-4-argon",
        "gemini-4-hydrogen", "gemini-4-neon", "gemini-4-carbon", "gemini-flash-latest", "gemini-flash-lite-latest",
        "gemini-pro-latest", "gemini-3-pro-image", "gemini-5-new",
    ),
    "mistral": ("mistral-large-latest", "magistral-medium-latest", "codestral-latest"),
    "cohere": (
        "command-a-03-2025", "command-a-plus-05-2026", "command-a-reasoning-08-2025", "command-r7b-12-2024",
        "north-mini-code-1-0",
    ),
    "ollama": ("gpt-oss:20b", "qwen3-vl:8b"),
}  # fmt: skip

#: Kind -> embedding models.
EMBEDS: Mapping[str, tuple[str, ...]] = {
    "openai": ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"),
    "azure": ("text-embedding-3-small", "our-embeddings"),
    "bedrock": (
        "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0", "cohere.embed-english-v3",
        "us.cohere.embed-v4:0", "amazon.nova-2-multimodal-embeddings-v1:0",
    ),
    "gemini": ("gemini-embedding-001", "gemini-embedding-2"),
    "mistral": ("mistral-embed", "codestral-embed"),
    "cohere": ("embed-v4.0", "embed-multilingual-v3.0"),
    "ollama": ("nomic-embed-text",),
}  # fmt: skip
