"""What a test lets providers answer, by prompt; strict: a call that the test did not think of fails, and says so."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import Any

from homa.testing.answers import Answer, Fails, as_answer
from homa.testing.calls import FakeCall, matches
from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_shared.calls.tokens import count

#: A text, an `Answer`, a failure, an object to be answered as JSON; a list of these; a function of the call.
Answerable = Any
Answers = Mapping[str | re.Pattern[str], Answerable] | Callable[[FakeCall], Answerable] | str

#: Dimensions of a vector where a call asks for no other number.
_DIMENSIONS = 8


class UnexpectedCall(AssertionError):
    """A call came that no answer was written down for."""


class Script:
    """Answers by pattern of the prompt: the first pattern that fits is taken.

    Args:
        answers: pattern -> answer; or one answer to everything.

    Raises:
        TypeError: something in it is no answer.
    """

    def __init__(self, answers: Answers) -> None:
        given = answers if isinstance(answers, Mapping) else {"*": answers}
        for pattern, answer in given.items():
            if not isinstance(pattern, str | re.Pattern):
                raise TypeError(f"{pattern!r} is no pattern: expected a text, where * stands for anything, or a regex")
            for one in answer if isinstance(answer, list) else [answer]:
                _check(one)
        # Of a list each call takes the next.
        self._answers = [(pattern, list(a) if isinstance(a, list) else a) for pattern, a in given.items()]
        self._lock = threading.Lock()
        self._number = 0
        #: Calls that nothing was written down for.
        self.unexpected: list[str] = []

    def chat(self, provider: str, call: Call) -> Completion:
        """The reply to a call.

        Raises:
            ProviderError: it is to fail, or was not expected.
        """
        asked = FakeCall(f"{provider}:{call.model}", call.messages, call.params)
        answer = self._answer(asked)
        if isinstance(answer, Fails):
            raise answer.error()
        with self._lock:
            self._number += 1
            return answer.completion(call, self._number)

    def vectors(self, provider: str, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Vectors that depend on the texts alone; a failure that is written down for one of them fails the call.

        Raises:
            ProviderError: it is to fail.
        """
        for text in inputs:
            asked = FakeCall(f"{provider}:{model}", (), params, [text])
            if any(matches(pattern, text) and _fails(answer) for pattern, answer in self._answers):
                answer = self._answer(asked)
                if isinstance(answer, Fails):
                    raise answer.error()
        dimensions = int(params.get("dimensions") or _DIMENSIONS)
        tokens = sum(count(text, model).tokens for text in inputs)
        return Embeddings([vector(text, dimensions) for text in inputs], model, Usage(input_tokens=tokens))

    def raise_unexpected(self) -> None:
        """Raises:
        UnexpectedCall: there was one.
        """
        if self.unexpected:
            told = "; ".join(self.unexpected[:5])
            more = f", and {len(self.unexpected) - 5} more" if len(self.unexpected) > 5 else ""
            raise UnexpectedCall(f"{told}{more}. Patterns: {', '.join(map(_shown, self._answers)) or 'none'}")

    def _answer(self, asked: FakeCall) -> Answer | Fails:
        answer, why = self._next(asked.prompt)
        if _is_function(answer):
            answer = answer(asked)
        if why:
            with self._lock:
                self.unexpected.append(f"{why}: {asked.target} was asked {_cut(asked.prompt)!r}")
            raise ProviderError(ErrorKind.INVALID_REQUEST, f"the test wrote no answer down: {why}", 400)
        return as_answer(answer)

    def _next(self, prompt: str) -> tuple[Answerable, str]:
        """What is answered to a prompt; or why nothing is."""
        with self._lock:
            for pattern, answer in self._answers:
                if not matches(pattern, prompt):
                    continue
                if not isinstance(answer, list):
                    return answer, ""
                return (answer.pop(0), "") if answer else (None, f"the answers to {_name(pattern)!r} are used up")
        return None, "no pattern fits"


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length one that depends on the text alone."""
    digest = hashlib.shake_256(text.encode(errors="surrogatepass")).digest(dimensions)
    values = [byte - 127.5 for byte in digest]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _is_function(answer: Answerable) -> bool:
    """A class is the answer itself, or none."""
    return callable(answer) and not isinstance(answer, type)


def _check(answer: Answerable) -> None:
    if iscoroutinefunction(answer):
        raise TypeError(
            f"{answer!r} is a coroutine function: expected one that returns the answer, and may take its time"
        )
    if not _is_function(answer):
        as_answer(answer)


def _fails(answer: Answerable) -> bool:
    first = answer[0] if isinstance(answer, list) and answer else answer
    return isinstance(first, Fails) or (isinstance(first, type) and issubclass(first, Fails))


def _name(pattern: str | re.Pattern[str]) -> str:
    return pattern.pattern if isinstance(pattern, re.Pattern) else pattern


def _shown(entry: tuple[str | re.Pattern[str], Answerable]) -> str:
    return repr(_name(entry[0]))


def _cut(prompt: str) -> str:
    return prompt if len(prompt) <= 100 else prompt[:100] + "…"
