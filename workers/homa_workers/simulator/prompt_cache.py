"""What simulated providers keep of prompts: prefixes, by digest, for some minutes after they were last used.

Anthropic and Bedrock keep what a request marks, and charge for writing it. OpenAI keeps each prompt that is long
enough, in steps of 128 tokens, and charges nothing for that. A prefix can be read once the reply to the call that wrote
it begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from homa_workers.simulator.buckets import Clock
from homa_workers.simulator.wire import (
    MEDIA_TOKENS,
    TOKEN_BYTES,
    CachePoint,
    Prompt,
    byte_length,
    compact_json,
    tokens_of_bytes,
)

#: Tokens by which what is kept by itself grows.
_STEP_TOKENS = 128
#: Prefixes that are kept at most.
_MOST = 100_000


class PointFinder:
    """Walks through a request's blocks in the provider's order and notes where a prefix ends that is to be kept.

    Args:
        ahead: what stands in front of all blocks, such as definitions of tools.
    """

    def __init__(self, ahead: object = None) -> None:
        text = compact_json(ahead).encode() if ahead else b""
        self._hash, self._bytes, self._media = blake2b(text, digest_size=16), len(text), 0
        self._points: list[CachePoint] = []

    def add(self, text: str, media: int = 0, *, ends: bool = False) -> None:
        """A block's text and media; `ends` says that a prefix ends behind it."""
        self._hash.update(b"%d\0%b" % (media, text.encode()))
        self._bytes += byte_length(text)
        self._media += media
        if ends:
            self.end()

    def end(self) -> None:
        """A prefix ends here."""
        tokens = tokens_of_bytes(self._bytes) + self._media * MEDIA_TOKENS
        self._points.append(CachePoint(self._hash.hexdigest(), tokens))

    @property
    def points(self) -> tuple[CachePoint, ...]:
        return tuple(self._points)


def steps_of(prompt: Prompt, least_tokens: int) -> Iterator[CachePoint]:
    """The prefixes of a prompt that are kept without a word: from `least_tokens` on, every 128 tokens."""
    text, reached = prompt.text.encode(), 0
    digest = blake2b(compact_json(prompt.tools).encode(), digest_size=16)
    for tokens in range(least_tokens, len(text) // TOKEN_BYTES + 1, _STEP_TOKENS):
        digest.update(text[reached : tokens * TOKEN_BYTES])
        reached = tokens * TOKEN_BYTES
        yield CachePoint(digest.hexdigest(), tokens)


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What a call reads from the cache and writes to it, in tokens of its prompt."""

    read: int = 0
    written: int = 0
    #: What is kept once it is answered.
    points: tuple[CachePoint, ...] = ()


class PromptCache:
    """The prefixes of all accounts and models.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: Scope and digest -> when it can be read, and until when.
        self._kept: dict[tuple[str, str], tuple[float, float]] = {}

    def look_up(self, scope: str, points: Sequence[CachePoint], least_tokens: int, *, writes: bool) -> CacheUse:
        """What a call with these prefixes would read and write.

        Args:
            least_tokens: shorter prefixes are not kept.
            writes: whether what is written is counted.
        """
        usable = tuple(point for point in points if point.tokens >= least_tokens)
        if not usable:
            return CacheUse()
        now_s = self._clock()
        read = max((p.tokens for p in usable if self._is_readable(scope, p, now_s)), default=0)
        longest = max(point.tokens for point in usable)
        return CacheUse(read, longest - read if writes else 0, usable)

    def keep(self, scope: str, use: CacheUse, ready_s: float, life_s: float) -> None:
        """Keeps what a call read or wrote.

        Args:
            ready_s: from now until its reply begins.
            life_s: how long it is kept from then on.
        """
        if len(self._kept) > _MOST:
            self._kept.clear()
        now_s = self._clock()
        for point in use.points:
            ready, _ = self._kept.get((scope, point.digest), (now_s + ready_s, 0.0))
            known = self._is_readable(scope, point, now_s) or ready > now_s
            begins = ready if known else now_s + ready_s
            self._kept[scope, point.digest] = (begins, max(begins, now_s) + life_s)

    def _is_readable(self, scope: str, point: CachePoint, now_s: float) -> bool:
        ready, until = self._kept.get((scope, point.digest), (0.0, 0.0))
        return ready <= now_s < until
