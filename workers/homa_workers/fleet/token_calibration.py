"""Learns how far estimates of input tokens are off: compares what the offline encoding makes of some prompts with what
replies report.

One prompt in eight of a target is looked at, be it of a plain call, of one step of a job with tools or a schema, or of
texts to embed; sums go to the store now and then. What is lost with a worker is lost: it is a matter of averages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from homa_shared.calls.openai_apis import shows_all
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.calls.tokens import count, encoding_of, estimate_messages
from homa_shared.model.targets import Target
from homa_shared.quota.call_parts import read_parameters
from homa_shared.store.client import AsyncStore
from homa_shared.store.reads.token_error import Learned, add_learned
from homa_shared.store.reads.written_tokens import Written, add_written
from homa_shared.store.transitions.prompts import add_prompt_answers

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
        #: Target -> replies until one is looked at.
        self._unseen: Counter[str] = Counter()
        self._sums: dict[str, Learned] = {}
        self._written: dict[str, Written] = {}
        #: Version of a stored template -> target -> what its answers have.
        self._by_template: dict[str, dict[str, Written]] = {}
        #: What the fleet knew when this worker last added to it.
        self._known: dict[str, Learned] = {}

    def note(self, target: str, call: Call, completion: Completion) -> None:
        """Takes a look at a reply."""
        if not self._is_due(target):
            return
        contents = [message.get("content") for message in call.messages]
        # Media are counted by rules of their own.
        if not all(content is None or isinstance(content, str) for content in contents):
            return
        size = sum(len(content or "") for content in contents)
        if completion.metered and size <= _LONGEST_BYTES and shows_all(call):
            self._unseen[target] = ONE_IN
            beside = read_parameters(call.params)
            self._add(target, estimate_messages(call.messages, target, tools=beside), completion.usage.input_tokens)
            answers = len(completion.body.get("choices") or (None,))
            told = Written(completion.usage.output_tokens, answers)
            self._written[target] = self._written.get(target, Written()) + told

    def note_template(self, template: str, target: str, completion: Completion) -> None:
        """Takes note of how long an answer to a version of a stored template is.

        Each one counts: nothing has to be estimated for it, and many templates are asked by now and then only.
        """
        if completion.metered:
            told = Written(completion.usage.output_tokens, len(completion.body.get("choices") or (None,)))
            by_target = self._by_template.setdefault(template, {})
            by_target[target] = by_target.get(target, Written()) + told

    def note_texts(self, target: str, texts: Sequence[str], found: Embeddings) -> None:
        """Takes a look at vectors."""
        if self._is_due(target) and found.metered and sum(map(len, texts)) <= _LONGEST_BYTES:
            self._unseen[target] = ONE_IN
            self._add(target, count("\n".join(texts), Target.parse(target).model).tokens, found.usage.input_tokens)

    async def flush(self) -> None:
        """Adds the sums to the store's."""
        sums, self._sums = self._sums, {}
        for target, learned in sums.items():
            self._known[target] = await self._store.run(add_learned(self._store.keys, target, learned))
        told, self._written = self._written, {}
        for target, written in told.items():
            await self._store.run(add_written(self._store.keys, target, written))
        by_template, self._by_template = self._by_template, {}
        for template, by_target in by_template.items():
            await self._store.run(add_prompt_answers(self._store.keys, template, by_target))

    def _is_due(self, target: str) -> bool:
        """Whether a reply of a target is to be looked at: the first that can be, and one in so many behind it."""
        self._unseen[target] -= 1
        return self._unseen[target] <= 0

    def _add(self, target: str, estimated: int, actual: int) -> None:
        # A public encoding is not scaled.
        factor = 1.0 if encoding_of(Target.parse(target).model) else self._known.get(target, Learned()).factor
        missed = abs(round(estimated * factor) - actual)
        self._sums[target] = self._sums.get(target, Learned()) + Learned(estimated, actual, 1, missed)
