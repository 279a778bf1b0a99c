"""What a reply of Gemini's is billed for: tokens by their media, the tier that served it, searches.

Sources: `UsageMetadata` and `GroundingMetadata` (google-genai 3.4), ai.google.dev/gemini-api/docs/pricing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from homa_shared.calls.reply import Counts, Usage
from homa_shared.kinds.builtin.gemini import PROFILE
from homa_workers.providers.token_counts import parts_of, section, tokens

Body = Mapping[str, Any]
BILLING = PROFILE.billing
#: Header of a reply: the tier that served it.
TIER_HEADER = "x-gemini-service-tier"
#: Up to Gemini 2.5 a prompt that was grounded is billed, from Gemini 3 on each search for it.
_BILLS_PROMPTS = re.compile(r"gemini-[12]")
#: Media whose tokens price lists give prices of their own; a document counts as an image.
_MEDIA = {"AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image", "VIDEO": "video"}


def is_metered(reply: Body) -> bool:
    """Whether a reply says what it took; a count of nothing is left out."""
    metadata = section(reply, "usageMetadata")
    return bool(metadata.get("promptTokenCount") or metadata.get("totalTokenCount"))


def usage_of(usage: Body | None) -> Usage:
    """Tokens in Homa's terms. Gemini counts thoughts beside the candidates' tokens, and tools' prompts likewise."""
    told: Body = usage or {}
    thoughts = tokens(told.get("thoughtsTokenCount"))
    given = tokens(told.get("promptTokenCount")) + tokens(told.get("toolUsePromptTokenCount"))
    written = tokens(told.get("candidatesTokenCount")) + thoughts
    return Usage(
        input_tokens=given,
        # What the total has more than its parts is somebody's.
        output_tokens=max(written, tokens(told.get("totalTokenCount")) - given),
        cached_tokens=tokens(told.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        parts=_parts(told),
    )


def billed(reply: Body, tier: str | None, asked_tier: str | None, model: str) -> Usage:
    """All that a reply is billed for.

    Args:
        reply: with its `usageMetadata`.
        tier: that its headers tell; None where they do not.
        asked_tier: in Gemini's words; None for none.
        model: that was asked for.
    """
    metadata = section(reply, "usageMetadata")
    found = usage_of(metadata)
    told = tier or metadata.get("serviceTier") or metadata.get("trafficType")
    asked = BILLING.term(asked_tier)
    served = str(reply.get("modelVersion") or "").removeprefix("models/")
    return Usage(
        found.input_tokens,
        found.output_tokens,
        found.cached_tokens,
        reasoning_tokens=found.reasoning_tokens,
        parts=found.parts,
        fees=BILLING.fees_of(_work(reply, served or model)),
        terms=BILLING.terms_of(told) if told or not asked else (f"{asked}?",),
        model="" if served == model else served,
    )


def _parts(usage: Body) -> Counts:
    """Parts of the totals that are not text."""
    given, cached = _media(usage, "promptTokensDetails"), _media(usage, "cacheTokensDetails")
    for medium, count in _media(usage, "toolUsePromptTokensDetails").items():
        given[medium] = given.get(medium, 0) + count
    written = _media(usage, "candidatesTokensDetails")
    if not (given or cached or written):
        return ()
    return parts_of(
        [
            *((f"input_{medium}", max(0, count - cached.get(medium, 0))) for medium, count in given.items()),
            *((f"cache_{medium}_read", count) for medium, count in cached.items()),
            *((f"output_{medium}", count) for medium, count in written.items()),
        ]
    )


def _media(usage: Body, name: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    details = usage.get(name)
    for found in details if isinstance(details, list) else ():
        medium = _MEDIA.get(str(found.get("modality"))) if isinstance(found, dict) else None
        if medium is not None and found.get("tokenCount"):
            counts[medium] = counts.get(medium, 0) + tokens(found["tokenCount"])
    return counts


def _work(reply: Body, model: str) -> Iterator[tuple[str, int]]:
    """Searches of the web, which have a price, and of what has none here: pictures, maps, stores of documents."""
    candidates = reply.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else ():
        grounding = section(candidate, "groundingMetadata")
        if not grounding:
            continue
        queries = [query for query in _listed(grounding, "webSearchQueries") if query]
        if queries:
            yield "web_searches", 1 if _BILLS_PROMPTS.match(model) else len(queries)
        for name in ("imageSearchQueries", "retrievalQueries"):
            if found := _listed(grounding, name):
                yield name, len(found)
        kinds = {kind for chunk in _listed(grounding, "groundingChunks") if isinstance(chunk, dict) for kind in chunk}
        if "maps" in kinds:
            yield "maps", 1
        if "web" in kinds and not queries:
            yield "uncounted_searches", 1


def _listed(grounding: Body, name: str) -> Sequence[object]:
    """A list of a grounding; something of another shape is one thing that nobody can count."""
    found = grounding.get(name)
    return found if isinstance(found, list) else [found] if found else ()
