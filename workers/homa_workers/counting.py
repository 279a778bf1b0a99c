"""Learns how far estimates of input tokens are off: compares what o200k makes of some prompts with what replies report.

One prompt in eight is looked at, and only where the model's own encoding is not public; sums go to the store now and
then. What is lost with a worker is lost: it is a matter of averages.
"""

from __future__ import annotations

from collections import Counter

from homa_shared.reply import Completion
from homa_shared.request import JobRequest
from homa_shared.store.client import AsyncStore
from homa_shared.store.learning import Learned, add_learned
from homa_shared.targets import Target
from homa_shared.tokens import encoding_of, estimate_messages

#: Of so many replies of a target one is looked at.
ONE_IN = 8
#: How often sums are flushed, s.
FLUSH_S = 5.0
#: Longest prompt that is looked at, bytes of text: counting takes the loop's time.
_LONGEST_BYTES = 20_000


class TokenLearning:
    """Sums of one worker, until they are flushed."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._seen: Counter[str] = Counter()
        self._sums: dict[str, Learned] = {}

    def note(self, target: str, request: JobRequest, completion: Completion) -> None:
        """Takes a look at a reply."""
        self._seen[target] += 1
        if self._seen[target] % ONE_IN != 1 or not completion.metered or encoding_of(Target.parse(target).model):
            return
        contents = [message.get("content") for message in request.messages]
        if not all(isinstance(content, str) for content in contents) or request.params.get("tools"):
            return
        if sum(len(str(content)) for content in contents) > _LONGEST_BYTES:
            return
        estimated = estimate_messages(request.messages, target)
        before = self._sums.get(target, Learned())
        self._sums[target] = Learned(
            before.estimated + estimated, before.actual + completion.usage.input_tokens, before.replies + 1
        )

    async def flush(self) -> None:
        """Adds the sums to the store's."""
        sums, self._sums = self._sums, {}
        for target, learned in sums.items():
            await self._store.run(add_learned(self._store.keys, target, learned))
