"""Models at Bedrock's Converse: Claude by its own rules, Nova, and those of other makers."""

from __future__ import annotations

from homa_shared.kinds.families import claude, makers
from homa_shared.kinds.parameter_rules import (
    Family,
    Rule,
    asks_for_several,
    dropped,
    forces_tool,
    limited,
    refused,
    thinks_if_asked,
    translated,
)

_GUIDE = "docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html"
_NOVA_2 = "docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html"
_HEAD = r"(?:^|[./])"

_ONE_ANSWER = refused("n", "gives one answer a call", asks_for_several)
_ANY_TOOL = refused("tool_choice", "cannot be made to call a tool (tool_choice)", forces_tool)
#: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
_RANGES = (limited("temperature", 0, 1), limited("top_p", 0, 1))
_FOREIGN = makers.OPENAI | makers.ANTHROPIC | makers.GOOGLE | makers.MISTRAL | makers.LOCAL
#: Nova takes it under another name.
_FOREIGN_TO_NOVA = _FOREIGN - {"top_k"}


def _family(
    pattern: str, *rules: Rule, schema: bool = False, foreign: frozenset[str] = _FOREIGN, source: str = _GUIDE
) -> Family:
    of_all = (*makers.LEGACY, _ONE_ANSWER)
    return Family(_HEAD + pattern, (*of_all, *rules, *_RANGES), foreign=foreign, schema=schema, source=source)


#: A model that no row names, and an ARN, which names none: what is Claude's is left to it.
OTHERS = Family(
    "",
    (*makers.LEGACY, _ONE_ANSWER, *_RANGES),
    foreign=_FOREIGN - makers.ANTHROPIC,
    schema=False,
    source=_GUIDE,
)
CONVERSE = (
    *claude.CONVERSE,
    _family(
        r"amazon\.nova-2-(?!.{0,80}(?:embed|sonic))",
        # At a high effort it lets no output cap be set, by which quota and budgets are reserved.
        translated("reasoning_effort", {"minimal": "low", "high": "medium", "xhigh": "medium", "max": "medium"}),
        *dropped("temperature", "top_p", when=thinks_if_asked, while_="while it reasons"),
        foreign=_FOREIGN_TO_NOVA,
        source=_NOVA_2,
    ),
    _family(r"amazon\.nova-(?:micro|lite|pro|premier)", *dropped("reasoning_effort"), foreign=_FOREIGN_TO_NOVA),
    _family(
        r"openai\.gpt-oss",
        translated("reasoning_effort", {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}),
        _ANY_TOOL,
    ),
    Family(
        _HEAD + r"openai\.gpt-",
        elsewhere="Bedrock's OpenAI endpoint: a provider of kind openai with its address as base_url",
        source=_GUIDE,
    ),
    # Some of Mistral's can be made to call a tool; which ones is not documented for the newer.
    _family(
        r"mistral\.(?:mistral-large-3|ministral-3|magistral-small|voxtral)", *dropped("reasoning_effort"), schema=True
    ),
    _family(r"mistral\.", *dropped("reasoning_effort")),
    _family(r"qwen\.qwen3", *dropped("reasoning_effort"), _ANY_TOOL, schema=True),
    _family(
        r"(?:meta\.llama|cohere\.command|ai21\.|writer\.|deepseek\.|qwen\.)", *dropped("reasoning_effort"), _ANY_TOOL
    ),
)
