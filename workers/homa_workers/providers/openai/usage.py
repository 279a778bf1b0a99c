"""What a reply of OpenAI's protocol is billed for: tokens, the tier that served it, work beside tokens.

Many servers speak the protocol and count in their own way. The rule is that whatever a reply tells of is somebody's:
reasoning that stands beside the completion, tokens of the total that no part explains, searches. Sources: OpenAI's
`CompletionUsage` and `ResponseUsage` (openai 3.54), docs.x.ai, platform.moonshot.ai, api-docs.deepseek.com,
docs.perplexity.ai.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.calls.reply import Usage
from homa_shared.kinds.billing import STANDARD, Billing, Terms
from homa_workers.providers.token_counts import NOTHING_ASKED, parts_of, section, tokens, with_terms

Body = Mapping[str, Any]

#: Names of cached tokens in the usage itself: Moonshot's, DeepSeek's, and those of proxies in front of Claude.
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
#: Counts of work that is billed beside tokens: xAI's, Perplexity's, Mistral's.
_WORK = (
    *("num_sources_used", "num_server_side_tools_used", "num_search_queries", "citation_tokens"),
    "prompt_audio_seconds",
)
#: Models of Chat Completions that search before they answer; replies do not tell how often.
_SEARCHES = ("-search-preview", "-search-api")
#: Its name in the ledger; no list can price what is not counted.
UNCOUNTED_SEARCHES = "uncounted_searches"
#: A kind that nobody described.
UNDESCRIBED = Billing()


def metered(usage: object) -> Usage | None:
    """The tokens that a reply tells; None where it tells none: nulls and noughts are not a usage of nothing."""
    if not isinstance(usage, dict) or usage.get("prompt_tokens") is None:
        return None
    found = usage_of(usage)
    return found if found.has_tokens else None


def is_metered(usage: object) -> bool:
    """Whether a reply says what it took."""
    return metered(usage) is not None


def usage_of(usage: object, of_prompt: str = "prompt_tokens", of_reply: str = "completion_tokens") -> Usage:
    """Tokens as OpenAI reports them: cached ones inside the prompt's, reasoning inside the reply's.

    Args:
        of_prompt: what the API calls the prompt's tokens.
        of_reply: what it calls the reply's.
    """
    if not isinstance(usage, dict):
        return Usage()
    prompt, reply = section(usage, f"{of_prompt}_details"), section(usage, f"{of_reply}_details")
    reasoning = tokens(reply.get("reasoning_tokens") or usage.get("reasoning_tokens"))
    given, written = tokens(usage.get(of_prompt)), tokens(usage.get(of_reply))
    total = tokens(usage.get("total_tokens"))
    if reasoning > written or total > given + written:
        # Reasoning may stand beside the reply's tokens, and a total may tell of more than either.
        written = max(written + reasoning if reasoning > written else written, total - given)
    return Usage(
        given,
        written,
        tokens(prompt.get("cached_tokens") or _of_other_names(usage)),
        tokens(prompt.get("cache_write_tokens") or usage.get("cache_creation_input_tokens")),
        reasoning,
        _parts(prompt, reply),
    )


def _of_other_names(usage: Body) -> object:
    """Cached tokens that stand in the usage itself."""
    for name in _CACHED:
        if usage.get(name):
            return usage[name]
    return None


def _parts(prompt: Body, reply: Body) -> tuple[tuple[str, int], ...]:
    kept = section(prompt, "cache_write_tokens_details").get("ttl_12h_tokens")
    audio, image = prompt.get("audio_tokens"), prompt.get("image_tokens")
    spoken, drawn = reply.get("audio_tokens"), reply.get("image_tokens")
    if not (kept or audio or image or spoken or drawn):
        return ()
    return parts_of(
        (
            ("cache_write_12h", kept),
            ("input_audio", audio),
            ("input_image", image),
            ("output_audio", spoken),
            ("output_image", drawn),
        )
    )


def billed(body: Body, usage: Usage, billing: Billing = UNDESCRIBED, asked: Body = NOTHING_ASKED) -> Usage:
    """All that a reply is billed for.

    Args:
        body: a chat completion, or one of several chunks, with its `service_tier`.
        usage: its tokens.
        billing: of the kind of server.
        asked: parameters of the request.
    """
    tier = body.get("service_tier")
    terms = STANDARD if tier == "default" else served(tier, asked, billing)
    told = _work(body, asked)
    fees = billing.fees_of(told) if told else ()
    model = served_model(body, asked) if billing.bills_served_model else ""
    return with_terms(usage, terms, fees, model)


def served_model(body: Body, asked: Body) -> str:
    """The model that a reply names; empty where it is the one that was asked for."""
    model = body.get("model")
    return "" if model == asked.get("model") else str(model or "")


def served(told: object, asked: Body, billing: Billing) -> Terms:
    """The terms that a reply was served on. One that was asked for, and that the reply is silent about, is open."""
    if told is not None:
        return billing.terms_of(told)
    term = billing.term(asked.get("service_tier"))
    return (f"{term}?",) if term else ()


def _work(body: Body, asked: Body) -> list[tuple[str, int]]:
    usage = told_usage(body)
    found = [(name, tokens(usage[name])) for name in _WORK if usage.get(name)] if isinstance(usage, dict) else []
    model = str(body.get("model") or "")
    if "web_search_options" in asked or ("-search-" in model and any(n in model for n in _SEARCHES)) or _cites(body):
        found.append((UNCOUNTED_SEARCHES, 1))
    return found


def _cites(body: Body) -> bool:
    """Whether a reply cites pages that the provider has searched for."""
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict) and message.get("annotations"):
            return True
    return False


def told_usage(body: object) -> object:
    """The usage of a reply or of a chunk: at its top, or, at Moonshot, in a choice."""
    if not isinstance(body, dict):
        return None
    usage, choices = body.get("usage"), body.get("choices")
    if usage or not choices:
        return usage
    first = choices[0] if isinstance(choices, list) else None
    return first.get("usage") if isinstance(first, dict) else None
