"""What the names of models tell of them: rules over families that several kinds serve, or that adapters ask for.

Each has where it is documented; a rule over the names of one kind alone may stand in that kind's profile. Names are the
providers' own. Where a family is served by several, it keeps its name behind their prefixes: `meta/llama3`,
`us.anthropic.claude-…`.
"""

from __future__ import annotations

import re

#: The day on which these rules were last compared with their documents.
CHECKED = "2026-11-29"

#: Models that take text only, by prefix, at kinds whose other models see.
_READS_TEXT_ONLY = ("gpt-3.5", "gpt-35", "o1-mini", "o3-mini", "command-r", "command-a-03")
#: Models that only embed, by prefix.
_ONLY_EMBEDS = (
    *(
        "text-embedding-",
        "gemini-embedding-",
        "amazon.titan-embed-",
        "amazon.nova-2-multimodal-embed",
        "cohere.embed-",
        "embed-v",
        "embed-english-",
    ),
    *("embed-multilingual-", "nomic-embed-", "mxbai-embed-"),
)
#: Models that only chat, by prefix, where no `embed` stands in their names.
_ONLY_CHATS = (
    *("gpt-", "chatgpt-", "o1", "o3", "o4-", "claude-", "anthropic.claude-", "gemini-", "command-", "cohere.command-"),
    *("amazon.nova-", "meta.llama"),
)

_O200K, _CL100K = "o200k_base", "cl100k_base"
#: OpenAI's models by prefix, the more specific first: github.com/openai/tiktoken, tiktoken/model.py.
_ENCODING_OF_PREFIX = (
    ("gpt-4o", _O200K),
    ("gpt-4.1", _O200K),
    ("gpt-4.5", _O200K),
    ("gpt-5", _O200K),
    ("gpt-oss", _O200K),
    ("chatgpt-4o", _O200K),
    ("o1", _O200K),
    ("o3", _O200K),
    ("o4", _O200K),
    ("gpt-4", _CL100K),
    ("gpt-3.5", _CL100K),
    ("gpt-35", _CL100K),  # Azure's spelling
    ("text-embedding-3", _CL100K),
    ("text-embedding-ada-002", _CL100K),
)

#: platform.openai.com/docs/api-reference/chat/create: reasoning models refuse `max_tokens`.
_OPENAI_MAX_TOKENS = r"^(?:ft:)?(?:gpt-3|gpt-4|chatgpt-4o|davinci|babbage)"
#: The same by name alone, for servers whose other models may have any name (`openai/gpt-5`, `us.openai.gpt-6-luna`).
_OPENAI_NO_MAX_TOKENS = r"(?:^|[/.:])(?:o[1-9](?:-|$)|gpt-(?:[5-9]|[12]\d)(?!\d)|(?:gpt-)?chat-latest$)"
#: platform.openai.com/docs/guides/reasoning: o-series, GPT-5 and later, Codex; not those that are named for chat.
_OPENAI_REASONS = r"(?:^|[/:.])(?:o\d|gpt-[5-9]|codex)(?!.{0,80}-chat)"
#: The same page.
_OPENAI_NEVER_REASONS = r"(?:^|[/:.])(?:chatgpt-4o|gpt-(?:3\.?5|4|5-chat))"
#: developers.openai.com/api/docs/guides/prompt-caching: GPT-5.6 and later.
_OPENAI_CACHE_BREAKPOINTS = r"^(?:ft:)?gpt-(?:5\.(?:[6-9]|\d\d)|[6-9]|\d\d)"

#: platform.claude.com/docs/en/build-with-claude/adaptive-thinking: up to Claude 4.5.
_CLAUDE_THINKS_BY_BUDGET = r"claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8})?$)"
#: platform.claude.com/docs/en/build-with-claude/extended-thinking: refuses `disabled`, and takes this instead.
_CLAUDE_THINKS_BETWEEN_TOOLS = r"claude-sonnet-5-5"
#: The same page: these think unless they are told not to, and can be told.
_CLAUDE_THINKS_BY_DEFAULT = r"claude-(?:(?:sonnet|opus)-5(?!-\d(?!\d))|haiku-5-5)"
#: platform.claude.com/docs/en/build-with-claude/prompt-caching: the least tokens of a prefix.
_CLAUDE_CACHES_FROM_4096 = r"claude-(?:haiku-4-5|opus-4-[56])"
_CLAUDE_CACHES_FROM_2048 = r"claude-(?:3(?:-5)?-haiku|opus-4-7|mythos-preview)"
_CLAUDE_CACHES_FROM_512 = r"claude-(?:opus-5|(?:sonnet|haiku)-5-5|(?:fable|mythos)-5)"

#: ai.google.dev/gemini-api/docs/thought-signatures: from Gemini 3 on.
_GEMINI_WANTS_SIGNATURES = r"gemini-(?:[3-9]|[a-z-]+-latest)"

#: The page on structured output of each maker: models that have none, although others of their kind have.
_WITHOUT_SCHEMAS = re.compile(
    r"(?:^|[./:])(?:gpt-3\.5|gpt-35|gpt-4(?:-|$)|o1-mini|o1-preview|gemini-1\.0|command-light"
    r"|claude-(?:[123]|instant|(?:sonnet|opus)-4(?:-[01]$|-20|$)))"
)

#: ai.google.dev/gemini-api/docs/thinking: up to Gemini 2.5.
_GEMINI_THINKS_BY_BUDGET = r"gemini-(?:1|2)"

#: docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html: Claude from 3.5 Haiku and 3.7 on, Nova.
_BEDROCK_CACHE_POINTS = (
    r"(?:^|[./])(?:anthropic\.claude-(?!v\d|instant|3-(?:haiku|sonnet|opus)|3-5-sonnet)"
    r"|amazon\.nova-(?!canvas|reel|sonic|\d+-sonic|.{0,80}embed))"
)


def reads_text_only(model: str) -> bool:
    """Whether a model takes no images."""
    return _short(model).startswith(_READS_TEXT_ONLY)


def only_embeds(model: str) -> bool:
    """Whether a model has no chat."""
    return _short(model).startswith(_ONLY_EMBEDS)


def only_chats(model: str) -> bool:
    """Whether a model has no embeddings."""
    name = _short(model)
    return "embed" not in name and name.startswith(_ONLY_CHATS)


def public_encoding(model: str) -> str | None:
    """The published encoding of a model's tokens; None where there is none."""
    name = _short(model)
    return next((encoding for prefix, encoding in _ENCODING_OF_PREFIX if name.startswith(prefix)), None)


def openai_takes_max_tokens(model: str) -> bool:
    """Whether a model of OpenAI's still takes `max_tokens`; all later ones want `max_completion_tokens`."""
    return re.match(_OPENAI_MAX_TOKENS, model) is not None


def openai_refuses_max_tokens(model: str) -> bool:
    """Whether a name is that of a model of OpenAI's which refuses `max_tokens`, wherever it is served."""
    return re.search(_OPENAI_NO_MAX_TOKENS, model) is not None


def openai_reasons(model: str) -> bool:
    """Whether a model of OpenAI's reasons; others refuse a request that asks for encrypted reasoning."""
    return re.search(_OPENAI_REASONS, model) is not None


def openai_never_reasons(model: str) -> bool:
    """Whether a model of OpenAI's is known not to reason: it has no reasoning to encrypt."""
    return re.search(_OPENAI_NEVER_REASONS, model) is not None


def openai_takes_cache_breakpoints(model: str) -> bool:
    """Whether a model of OpenAI's takes breakpoints of its prompt cache, and charges for what it writes."""
    return re.search(_OPENAI_CACHE_BREAKPOINTS, model) is not None


def claude_thinks_by_budget(model: str) -> bool:
    """Whether a Claude model thinks within a budget of tokens; later ones take an effort."""
    return re.search(_CLAUDE_THINKS_BY_BUDGET, model) is not None


def claude_thinks_between_tools(model: str) -> bool:
    """Whether a Claude model that is not to think still thinks between tools: it has no other way to say so."""
    return re.search(_CLAUDE_THINKS_BETWEEN_TOOLS, model) is not None


def claude_thinks_by_default(model: str) -> bool:
    """Whether a Claude model thinks unless it is told not to."""
    return re.search(_CLAUDE_THINKS_BY_DEFAULT, model) is not None


def claude_least_cached_tokens(model: str) -> int:
    """Tokens below which a Claude model does not keep the beginning of a prompt."""
    if re.search(_CLAUDE_CACHES_FROM_4096, model):
        return 4096
    if re.search(_CLAUDE_CACHES_FROM_2048, model):
        return 2048
    return 512 if re.search(_CLAUDE_CACHES_FROM_512, model) else 1024


def gemini_thinks_by_budget(model: str) -> bool:
    """Whether a Gemini model thinks within a budget of tokens; later ones take a level."""
    return re.search(_GEMINI_THINKS_BY_BUDGET, model) is not None


def gemini_wants_signatures(model: str) -> bool:
    """Whether a Gemini model refuses the call of a tool in its conversation that bears no signature."""
    return re.search(_GEMINI_WANTS_SIGNATURES, model) is not None


def follows_schemas(model: str) -> bool:
    """Whether a model takes a schema as a parameter, as far as its name tells."""
    return _WITHOUT_SCHEMAS.search(model.lower()) is None


def bedrock_takes_cache_points(model: str) -> bool:
    """Whether a model of Bedrock is known to take a cache point; all others refuse the request for it."""
    return re.search(_BEDROCK_CACHE_POINTS, model) is not None


def bedrock_embeds_many(model: str) -> bool:
    """Whether an embedding model of Bedrock takes many texts a call, as Cohere's do; Titan takes one."""
    return "cohere." in model


def bedrock_embeds_in_novas_shape(model: str) -> bool:
    """Whether an embedding model of Bedrock is one of Amazon's Nova, whose requests differ from Titan's."""
    return "amazon.nova-" in model


def _short(model: str) -> str:
    """The name without whoever stands before it: `meta/llama3` is `llama3`."""
    return model.lower().rpartition("/")[2]
