"""The output cap of a call that sets none: by what a model can write, and by whether it thinks first.

A cap is always sent, since the bound of a call's cost needs one. Models that think count it towards the cap, so that a
cap meant for an answer alone leaves an empty reply that is paid for. They get room for both; a plain model keeps
`PLAIN`. A name is looked for wherever the model is served, since its family keeps it behind a gateway's prefixes. The
effort is that of the request as its caller gave it; what a family makes of it (parameter_rules.py) is never more.

Sources: developers.openai.com/api/docs/guides/reasoning ("reserve at least 25,000 tokens"), …/models;
platform.claude.com/docs/en/about-claude/models/overview and …/build-with-claude/effort (64k at xhigh and max);
ai.google.dev/gemini-api/docs/models; docs.mistral.ai/getting-started/models; docs.cohere.com/docs/models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from homa_shared.kinds.parameter_rules import When, always, thinks, thinks_if_asked

#: Names of the output cap in chat completions: the first one that is given counts. Servers either refuse the one that
#: they do not know, or ignore it without a word.
CHAT_CAP_NAMES = ("max_completion_tokens", "max_tokens")
#: Output cap of a model that does not think, or that nobody described, tokens.
PLAIN = 4096
#: Room for thinking and answer together by effort, tokens.
_ROOM = {
    **dict.fromkeys(("none", "minimal", "low"), 16_384),
    **dict.fromkeys(("medium", "high"), 32_768),
    **dict.fromkeys(("xhigh", "max"), 65_536),
}
#: Where the request says no effort.
_USUAL_ROOM = 32_768
#: No more than this part of a minute's quota, where the provider counts the cap against it.
_PART_OF_QUOTA = 30
#: No more than this part of a context window, which the prompt needs, too.
_PART_OF_WINDOW = 2


def never(_: Mapping[str, Any]) -> bool:
    """A model that does not think."""
    return False


def _thinks_by_thinking(params: Mapping[str, Any]) -> bool:
    """Whether a Claude model that does not think by default thinks."""
    thinking = params.get("thinking")
    on = isinstance(thinking, Mapping) and thinking.get("type") not in (None, "disabled")
    return on or thinks_if_asked(params)


def _thinks_unless_disabled(params: Mapping[str, Any]) -> bool:
    thinking = params.get("thinking")
    return thinks(params) and not (isinstance(thinking, Mapping) and thinking.get("type") == "disabled")


@dataclass(frozen=True, slots=True)
class OutputFamily:
    """Models that write as much, and think under the same circumstances."""

    #: Found in a model's name in lower case, as `re.search` does.
    pattern: str
    #: Most tokens that one call may write, thinking included; None: not known.
    most: int | None = None
    #: When they think, by the request's parameters.
    thinks: When = never


#: Nothing is known of such a model's output; whoever asks for an effort knows that it thinks.
ANY_OUTPUT = OutputFamily("", thinks=thinks_if_asked)

_HEAD = r"(?:^|[/.:])"


def _row(pattern: str, most: int | None, thinks: When = never) -> OutputFamily:
    return OutputFamily(_HEAD + pattern, most, thinks)


#: The first that fits counts.
OUTPUT_FAMILIES = (
    # OpenAI
    _row(r"openai\.gpt-oss", 16_384, always),
    _row(r"gpt-oss", 32_768, always),
    _row(r"(?:gpt-5-chat|chatgpt-4o|gpt-4o)", 16_384),
    _row(r"gpt-5\.\d-chat|(?:gpt-)?chat-latest$", 16_384, always),
    _row(r"gpt-5\.[124](?:-mini|-nano)?(?:-\d{4}|:|$)", 128_000, thinks_if_asked),
    _row(r"gpt-5(?:-mini|-nano|-pro|-codex)?(?:-\d{4}|:|$)", 128_000, always),
    _row(r"gpt-5\.\d-pro", 128_000, always),
    _row(r"gpt-(?:5\.[56]|6-(?:sol|luna)|6\.1-terra)", 128_000, thinks),
    _row(r"(?:gpt-(?:5\.\d|[6-9]|[12]\d)(?!\d)|codex-)", 128_000, always),
    _row(r"o[134](?:-|$)", 65_536, always),
    _row(r"gpt-4\.1", 32_768),
    _row(r"gpt-(?:4|3\.?5)", 4096),
    # Anthropic
    _row(r"claude-(?:v?2|instant|3-(?:opus|sonnet|haiku))", 4096),
    _row(r"claude-3-5-", 8192),
    _row(r"claude-(?:opus-4(?:-[01])?|4-opus)(?:[-@]\d{8}|-v\d|$)", 32_000, _thinks_by_thinking),
    _row(r"claude-(?:3-7|4-sonnet|sonnet-4(?!-[6-9])|(?:haiku|opus)-4-5)", 64_000, _thinks_by_thinking),
    _row(r"claude-(?:opus|sonnet)-4-", 128_000, _thinks_by_thinking),
    _row(r"claude-(?:(?:sonnet|opus)-5(?!-\d(?!\d))|haiku-5-5)", 128_000, _thinks_unless_disabled),
    _row(r"claude-(?:opus|sonnet|haiku|fable|mythos)-", 128_000, always),
    # Google; Gemini 2.5 and later think unless their budget is 0, which only the flash models of 2.5 take.
    _row(r"gemini-(?:1|2\.0)", 8192),
    _row(r"gemini-2\.5-flash-lite", 65_536, thinks_if_asked),
    _row(r"gemini-2\.5-flash", 65_536, thinks),
    _row(r"gemini-4-argon", 32_768, always),
    _row(r"gemini-(?!.*(?:image|tts|live|audio|embedding))", 65_536, always),
    # Those of others, at whoever serves them.
    _row(r"magistral", 32_768, always),
    _row(r"command-a-(?:reasoning|plus)", 32_000, thinks),
    _row(r"command-a", 8192),
    _row(r"command-", 4096),
    _row(r"deepseek[.-](?:r1|reasoner)", 32_768, always),
    _row(r"(?:qwq|qwen3(?!.*(?:instruct|coder|embed)))", 32_768, thinks),
    _row(r"grok-(?!.*non-reasoning)(?:3-mini|4|5)", 32_768, always),
    _row(r"(?:glm-(?:4\.[5-9]|[5-9])|minimax-m\d|[^/:]*[-_]thinking)", 32_768, always),
    _row(r"(?:amazon\.)?nova-2-", 64_000, thinks_if_asked),
    _row(r"(?:amazon\.)?nova-(?:micro|lite|pro|premier)", 5000),
)


@lru_cache(maxsize=1024)
def output_family(model: str) -> OutputFamily:
    """What is known of a model's output."""
    name = model.lower()
    return next((family for family in OUTPUT_FAMILIES if re.search(family.pattern, name)), ANY_OUTPUT)


def cap_of(params: Mapping[str, Any]) -> int:
    """The output cap that is sent by these parameters, tokens; 0 for none."""
    return int(next(filter(None, map(params.get, CHAT_CAP_NAMES)), 0))


def default_cap(
    model: str,
    params: Mapping[str, Any],
    *,
    window: int | None = None,
    counted_quota: int | None = None,
) -> int:
    """The output cap of a call that sets none, tokens.

    Args:
        model: by its maker's name.
        params: in OpenAI's names.
        window: tokens of the model's context; None: not known.
        counted_quota: tokens a minute of a quota against which the provider counts the cap; None: it counts none.
    """
    family = output_family(model)
    cap = _room(params) if family.thinks(params) else PLAIN
    for most, part in ((window, _PART_OF_WINDOW), (counted_quota, _PART_OF_QUOTA)):
        if most is not None:
            cap = min(cap, max(PLAIN, most // part))
    return cap if family.most is None else min(cap, family.most)


def _room(params: Mapping[str, Any]) -> int:
    """What thinking and answer may come to."""
    thinking = params.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    # Claude takes no cap that its budget of thinking fills.
    least = budget + PLAIN if type(budget) is int else 0
    return max(least, _ROOM.get(str(params.get("reasoning_effort")), _USUAL_ROOM))
