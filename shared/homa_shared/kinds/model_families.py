"""What the names of models tell of them, at kinds whose other models can do more."""

from __future__ import annotations

#: Models that take text only, by prefix, at kinds whose other models see.
_BLIND = ("gpt-3.5", "gpt-35", "o1-mini", "o3-mini", "command-r", "command-a-03")
#: Models that only embed, by prefix.
_EMBEDS = (
    *("text-embedding-", "gemini-embedding-", "amazon.titan-embed-", "cohere.embed-", "embed-v", "embed-english-"),
    *("embed-multilingual-", "nomic-embed-", "mxbai-embed-"),
)
#: Models that only chat, by prefix, where no `embed` stands in their names.
_CHATS = (
    *("gpt-", "chatgpt-", "o1", "o3", "o4-", "claude-", "anthropic.claude-", "gemini-", "command-", "cohere.command-"),
    *("amazon.nova-", "meta.llama"),
)


def reads_text_only(model: str) -> bool:
    """Whether a model takes no images."""
    return _short(model).startswith(_BLIND)


def only_embeds(model: str) -> bool:
    """Whether a model has no chat."""
    return _short(model).startswith(_EMBEDS)


def only_chats(model: str) -> bool:
    """Whether a model has no embeddings."""
    name = _short(model)
    return "embed" not in name and name.startswith(_CHATS)


def _short(model: str) -> str:
    """The name without whoever stands before it: `meta/llama3` is `llama3`."""
    return model.lower().rpartition("/")[2]
