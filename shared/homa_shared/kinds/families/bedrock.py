"""Models at Bedrock's Converse: Claude by its own rules, Nova, and those of other makers."""

from __future__ import annotations

from homa_shared.kinds.families import claude
from homa_shared.kinds.parameter_rules import (
    OPENAI_ONLY,
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
_NOT_OPENAI = (*dropped(*OPENAI_ONLY), _ONE_ANSWER)


def _family(pattern: str, *rules: Rule, source: str = _GUIDE) -> Family:
    return Family(_HEAD + pattern, (*_NOT_OPENAI, *rules, *_RANGES), source=source)


CONVERSE = (
    *claude.CONVERSE,
    _family(
        r"amazon\.nova-2-(?!.{0,80}(?:embed|sonic))",
        # At a high effort it lets no output cap be set, by which quota and budgets are reserved.
        translated("reasoning_effort", {"minimal": "low", "high": "medium", "xhigh": "medium", "max": "medium"}),
        *dropped("temperature", "top_p", when=thinks_if_asked, while_="while it reasons"),
        source=_NOVA_2,
    ),
    _family(r"amazon\.nova-(?:micro|lite|pro|premier)", *dropped("reasoning_effort")),
    _family(
        r"openai\.gpt-oss",
        translated("reasoning_effort", {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"}),
        _ANY_TOOL,
    ),
    # Some of Mistral's can be made to call a tool; which ones is not documented for the newer.
    _family(r"mistral\.", *dropped("reasoning_effort")),
    _family(
        r"(?:meta\.llama|cohere\.command|ai21\.|writer\.|deepseek\.|qwen\.)", *dropped("reasoning_effort"), _ANY_TOOL
    ),
)
