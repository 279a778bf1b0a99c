"""Bodies and replies of InvokeModel for embedding models: each maker has a shape of its own.

Sources, in docs.aws.amazon.com: bedrock/latest/userguide/model-parameters-embed.html and titan-embedding-models.html,
nova/latest/userguide/embeddings-schema.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from homa_shared.kinds.model_families import bedrock_embeds_in_novas_shape, bedrock_embeds_many
from homa_workers.providers.invalid_request import unsupported

#: Parameters in OpenAI's names, as Cohere's and Amazon's Nova models call them.
_COHERE_NAMES = {"dimensions": "output_dimension"}
_NOVA_NAMES = {"dimensions": "embeddingDimension"}
#: What Nova asks for and a caller need not say. A text that is too long is refused, as by the other models.
_NOVA_DEFAULTS = {"embeddingPurpose": "GENERIC_INDEX"}
_NOVA_TRUNCATION = "NONE"
_OF_ONE_WIDTH = re.compile(r"amazon\.titan-embed-text-v1|cohere\.embed-(?:english|multilingual)-v3")


def embedding_bodies(model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A body for each call that some texts take: all of them at once for Cohere's models, one for the others."""
    settings = {name: value for name, value in params.items() if name not in ("encoding_format", "user")}
    if "dimensions" in settings and _OF_ONE_WIDTH.search(model):
        raise unsupported("dimensions", f"{model} gives vectors of its own width only")
    if bedrock_embeds_many(model):
        return [{"texts": list(inputs), "input_type": "search_document", **_renamed(settings, _COHERE_NAMES)}]
    if bedrock_embeds_in_novas_shape(model):
        return [_nova_body(text, settings) for text in inputs]
    return [{"inputText": text, **settings} for text in inputs]


def vectors_of(reply: object) -> list[list[float]]:
    """The vectors of a reply; none where it has no known shape."""
    match reply:
        case {"embedding": list(vector)}:
            return [vector]
        case {"embeddings": [{"embedding": list(vector)}]}:
            return [vector]
        case {"embeddings": {"float": list(vectors)}} | {"embeddings": list(vectors)}:
            return vectors
    return []


def tokens_told(reply: object) -> int | None:
    """Input tokens that a reply's body tells, as Titan's and Nova's do.

    Raises:
        ValueError: it tells something else than a number.
    """
    match reply:
        case {"inputTextTokenCount": tokens} | {"inputTokenCount": tokens}:
            return None if tokens is None else int(tokens)
    return None


def _nova_body(text: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    params = {**_NOVA_DEFAULTS, **_renamed(settings, _NOVA_NAMES)}
    truncation = params.pop("truncationMode", _NOVA_TRUNCATION)
    return {
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {**params, "text": {"truncationMode": truncation, "value": text}},
    }


def _renamed(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in settings.items()}
