"""How many tokens a prompt has, without asking the provider.

OpenAI publishes its encodings, and splintr carries them, so that counts for its models are exact. For others the
o200k encoding times a factor is a good estimate; callers pass the factor that they learned from returned usage.
Without splintr (the light client) a token is taken as four bytes, which fits English prose.

A 2 KB prompt takes some 25 µs; the first one of a process takes 50 ms more, for the encoding's tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from math import ceil
from typing import Any

from homa_shared.kinds.model_families import public_encoding

#: Bytes of a token where no encoding is at hand.
BYTES_PER_TOKEN = 4
#: OpenAI's chat template: around each message, for a name in it, and before the reply.
TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_OF_PRIMING = 3
#: An image of some 1024 × 1024 pixels; providers' own rules differ from 258 (Gemini) to 1600 (Anthropic).
TOKENS_PER_IMAGE = 1_000
#: Bytes of an attached file for one token: a page of PDF is about 50 KB and 2000 tokens.
FILE_BYTES_PER_TOKEN = 25

#: What models are estimated by whose encoding is not public.
_ESTIMATE_ENCODING = "o200k_base"


@dataclass(frozen=True, slots=True)
class Count:
    """A number of tokens, and whether it is exact or an estimate."""

    tokens: int
    exact: bool


def count(content: str | Sequence[Mapping[str, Any]], model: str, *, factor: float = 1.0) -> Count:
    """Tokens of a text, or of messages in the shape of Chat Completions.

    Args:
        model: the provider's name of the model, or `provider:model`.
        factor: the model's tokens for each of o200k's; used for models whose encoding is not public.
    """
    if not isinstance(content, str):
        return Count(estimate_messages(content, model, factor=factor), exact=False)
    encoding = encoding_of(model)
    tokens = _encoded(content, encoding or _ESTIMATE_ENCODING)
    if tokens is None:
        return Count(_scaled(-(-len(_utf8(content)) // BYTES_PER_TOKEN), 1.0 if encoding else factor), exact=False)
    return Count(tokens, exact=True) if encoding else Count(_scaled(tokens, factor), exact=False)


def estimate_messages(
    messages: Iterable[Mapping[str, Any]],
    model: str,
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    factor: float = 1.0,
) -> int:
    """Tokens of a prompt: its texts, the chat template around them, tools, and a flat guess for media."""
    texts: list[str] = []
    tokens = TOKENS_OF_PRIMING
    for message in messages:
        tokens += TOKENS_PER_MESSAGE + (TOKENS_PER_NAME if message.get("name") else 0)
        texts += [str(message.get("role", "")), str(message.get("name") or "")]
        tokens += _gather(message.get("content"), texts)
        if message.get("tool_calls"):
            texts.append(_json(message["tool_calls"]))
    if tools:
        texts.append(_json(tools))
    # One call for all texts: the way to the encoder and back costs more than a short text.
    return tokens + count("\n".join(filter(None, texts)), model, factor=factor).tokens


@lru_cache(maxsize=1024)
def encoding_of(model: str) -> str | None:
    """The public encoding of a model, None where there is none.

    Args:
        model: the provider's name of it, alone or behind colons (`openai:gpt-6-sol`, `ft:gpt-4o:acme`).
    """
    while model:
        encoding = public_encoding(model)
        if encoding is not None:
            return encoding
        model = model.partition(":")[2]
    return None


def _gather(content: Any, texts: list[str]) -> int:
    """Put a message's texts into a list; tokens of all else in it."""
    if content is None:
        return 0
    if isinstance(content, str):
        texts.append(content)
        return 0
    if not isinstance(content, list):
        texts.append(_json(content))
        return 0
    tokens = 0
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("text", "refusal"):
            texts.append(str(part.get(kind) or ""))
        elif kind in ("image_url", "image"):
            tokens += TOKENS_PER_IMAGE
        elif kind in ("file", "input_audio"):
            # Base64 has four characters for three bytes.
            tokens += len(_json(part)) * 3 // 4 // FILE_BYTES_PER_TOKEN
        else:
            texts.append(_json(part))
    return tokens


def _encoded(text: str, encoding: str) -> int | None:
    encode = _encoder(encoding)
    if encode is None:
        return None
    try:
        return len(encode(text))
    except UnicodeEncodeError:
        # Half of a surrogate pair, as broken JSON has it.
        return len(encode(_utf8(text).decode()))


def text_of_tokens(tokens: Sequence[int], encoding: str) -> str:
    """The text that tokens of a public encoding stand for; half of a letter at its ends becomes U+FFFD.

    Raises:
        ValueError: one of them is none of the encoding's, or its tables are not at hand.
    """
    tokenizer = _tokenizer(encoding)
    if tokenizer is None:
        raise ValueError(f"the tables of {encoding} are not installed here")
    for token in tokens:
        if not 0 <= token < tokenizer.vocab_size:
            raise ValueError(f"{token} is no token of {encoding}")
    return str(tokenizer.decode_lossy(list(tokens)))


@cache
def _tokenizer(encoding: str) -> Any | None:
    try:
        splintr = import_module("splintr")
    except ImportError:
        return None
    return splintr.Tokenizer.from_pretrained(encoding)


@cache
def _encoder(encoding: str) -> Any | None:
    tokenizer = _tokenizer(encoding)
    # encode_ordinary: a prompt that spells <|endoftext|> is text, as it is for the provider.
    return None if tokenizer is None else tokenizer.encode_ordinary


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _scaled(tokens: int, factor: float) -> int:
    return ceil(tokens * factor)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
