"""What Bedrock refuses in its own words, and what it passes on of its models': a table of the simulator's own.

Source: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, the guide's pages on inference
parameters and supported features of each model, and its page on structured output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from homa_workers.simulator.dialects.anthropic_prompt import BOUND_ELSEWHERE
from homa_workers.simulator.dialects.claude_models import refuse_by_version, version_of
from homa_workers.simulator.wire import invalid

_FIELDS = frozenset(
    "messages system inferenceConfig toolConfig guardrailConfig additionalModelRequestFields promptVariables "
    "additionalModelResponseFieldPaths requestMetadata performanceConfig serviceTier outputConfig".split()
)
_INFERENCE = frozenset({"maxTokens", "temperature", "topP", "stopSequences"})
_TIERS = frozenset({"priority", "default", "flex", "reserved"})
#: A name in a model's id -> what it takes beside Converse's own fields.
_OWN_FIELDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("anthropic.claude", frozenset({"anthropic_beta", "thinking", "top_k"})),
    ("amazon.nova-2", frozenset({"inferenceConfig", "reasoningConfig"})),
    ("amazon.nova", frozenset({"inferenceConfig"})),
    ("openai.gpt-oss", frozenset({"reasoning_effort"})),
)
#: Whose replies can be given a schema.
_SCHEMAS = re.compile(
    r"claude-(?:(?:sonnet|haiku|opus)-4-5|(?:opus|sonnet)-4-6)|qwen\.qwen3|mistral\.(?:mistral-large-3|ministral-3"
    r"|magistral-small|voxtral)|google\.gemma-3|minimax|nemotron|moonshot|glm"
)
_FORCED = re.compile(r"anthropic\.claude|amazon\.nova|mistral\.mistral-large")
_EFFORT = re.compile(r"anthropic\.claude")
_KNOWN = re.compile(r"anthropic\.|amazon\.|openai\.|meta\.|mistral\.|cohere\.|ai21\.|writer\.|deepseek\.|qwen\.")


def refuse_at_converse(model: str, body: Mapping[str, Any]) -> None:
    """Raises Failure where Bedrock would answer with a ValidationException; an ARN may be any model's."""
    _refuse_unknown(body)
    _refuse_tool_blocks(body)
    if model.startswith("arn:") or not _KNOWN.search(model):
        return
    if re.search(r"openai\.gpt-(?!oss)", model):
        raise invalid("The provided model doesn't support the Converse API.")
    own = body.get("additionalModelRequestFields") or {}
    known = next((known for name, known in _OWN_FIELDS if name in model), frozenset[str]())
    version = version_of(model)
    for name in own.keys() - known:
        said = "Extra inputs are not permitted" if version else "please reformat your input and try again."
        where = f"{name}: " if version else f"Malformed input request: #: extraneous key [{name}] is not permitted, "
        raise invalid(where + said)
    _refuse_features(model, body)
    if version is not None:
        refuse_by_version(model, version, _as_messages(body, own))
        _refuse_others_thoughts(body)
    if "amazon.nova-2" in model:
        _refuse_at_nova_2(body, own.get("reasoningConfig") or {})


def _as_messages(body: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What Claude is told, in the shape of its own API."""
    inference, output = body.get("inferenceConfig") or {}, body.get("outputConfig") or {}
    names = {"temperature": "temperature", "topP": "top_p", "maxTokens": "max_tokens"}
    choice = (body.get("toolConfig") or {}).get("toolChoice") or {}
    return {
        **{own_name: inference[name] for name, own_name in names.items() if name in inference},
        **own,
        "output_config": {"effort": output.get("effort")},
        "tool_choice": {"type": next(iter(choice), None)},
        "messages": body.get("messages"),
    }


def _refuse_unknown(body: Mapping[str, Any]) -> None:
    inference = body.get("inferenceConfig") or {}
    for name in sorted((body.keys() - _FIELDS) | (inference.keys() - _INFERENCE)):
        raise invalid(
            f"Malformed input request: #: extraneous key [{name}] is not permitted, please reformat your input"
        )


def _refuse_features(model: str, body: Mapping[str, Any]) -> None:
    output, tier = body.get("outputConfig") or {}, (body.get("serviceTier") or {}).get("type", "default")
    choice = (body.get("toolConfig") or {}).get("toolChoice") or {}
    if "effort" in output and not _EFFORT.search(model):
        raise invalid("This model doesn't support the effort field. Remove effort and try again.")
    if "textFormat" in output and not _SCHEMAS.search(model):
        raise invalid("This model doesn't support the outputConfig.textFormat field. Remove it and try again.")
    if choice.keys() & {"any", "tool"} and not _FORCED.search(model):
        name = next(iter(choice))
        raise invalid(f"This model doesn't support the toolConfig.toolChoice.{name} field. Remove it and try again.")
    if tier not in _TIERS or ("anthropic." in model and tier in ("flex", "priority")):
        raise invalid(f"The service tier {tier!r} is not supported for this model.")


def _refuse_tool_blocks(body: Mapping[str, Any]) -> None:
    blocks = list(_blocks(body))
    if not body.get("toolConfig") and any(block.keys() & {"toolUse", "toolResult"} for _, block in blocks):
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    if any(role == "assistant" and block.keys() & {"image", "document", "video"} for role, block in blocks):
        raise invalid("The model returned the following errors: images and documents stand in user messages only.")


def _refuse_others_thoughts(body: Mapping[str, Any]) -> None:
    for number, (_, block) in enumerate(_blocks(body)):
        thought = (block.get("reasoningContent") or {}).get("reasoningText") or {}
        if str(thought.get("signature") or "").startswith(BOUND_ELSEWHERE):
            raise invalid(
                f"The model returned the following errors: content.{number}: Invalid `signature` in `thinking` block. "
                "The block is bound to a different conversation."
            )


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in body.get("messages") or ():
        content = message.get("content")
        yield from ((str(message.get("role")), block) for block in (content if isinstance(content, list) else ()))


def _refuse_at_nova_2(body: Mapping[str, Any], reasoning: Mapping[str, Any]) -> None:
    effort, inference = reasoning.get("maxReasoningEffort"), body.get("inferenceConfig") or {}
    if reasoning.get("type") not in (None, "enabled", "disabled") or effort not in (None, "low", "medium", "high"):
        raise invalid(f"Malformed input request: #/reasoningConfig: {dict(reasoning)} is not a valid value")
    if reasoning.get("type") == "enabled":
        banned = {"temperature", "topP"} | ({"maxTokens"} if effort == "high" else set())
        for name in sorted(inference.keys() & banned):
            raise invalid(f"{name} cannot be set when reasoning is enabled with effort {effort}")


#: A name in a model's id -> the fields of its body; the first must be there.
_EMBEDDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("titan-embed-text-v1", ("inputText",)),
    ("titan-embed", ("inputText", "dimensions", "normalize", "embeddingTypes")),
    (
        "cohere.embed-v4",
        ("input_type", "texts", "images", "inputs", "truncate", "output_dimension", "max_tokens", "embedding_types"),
    ),
    ("cohere.embed", ("input_type", "texts", "images", "truncate", "embedding_types")),
    ("amazon.nova", ("taskType", "singleEmbeddingParams", "schemaVersion")),
)


def refuse_at_invoke(model: str, body: Mapping[str, Any]) -> None:
    """Raises Failure for a body that an embedding model would not take."""
    known = next((known for name, known in _EMBEDDINGS if name in model), None)
    if known is None:
        return
    if known[0] not in body:
        raise invalid(f"Malformed input request: #: required key [{known[0]}] not found, please reformat your input")
    for name in body.keys() - set(known):
        raise invalid(
            f"Malformed input request: #: extraneous key [{name}] is not permitted, please reformat your input"
        )
