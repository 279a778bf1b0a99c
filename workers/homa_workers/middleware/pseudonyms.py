"""Personal data is taken out of what a provider is sent, and put back into its answer.

`homa worker --middleware homa_workers.middleware.pseudonyms` does so for e-mail addresses, card and account numbers and
phone numbers. A module of your own chooses what is found, and by whom:

    from homa_workers.middleware.pseudonyms import Found, pseudonyms

    def patients(text: str) -> list[Found]:
        return [Found(start, end, "PATIENT") for start, end in my_names_in(text)]

    private = pseudonyms(patients, presets=("email", "phone"), tag="private=yes")

Each value gets a placeholder (`[EMAIL_1]`), the same wherever it stands in one call; where the answer has the
placeholder, the value takes its place again, so that the reply in the store reads as if nothing had been taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import orjson
import re2

from homa_shared.calls.answer_messages import OWN_WORDS, without_own_words
from homa_shared.calls.reply import Completion
from homa_shared.model.errors import ConfigError
from homa_shared.model.personal_data import PRESETS
from homa_workers.middleware.around import Around, CallNext, Request, around

#: Found where nothing else is said.
USUAL = ("email", "card", "iban", "phone")
#: Fields of messages, their parts and calls of tools that have words; others are names, ids, media.
_WORDS = frozenset({"content", "text", "arguments", "input", "refusal", "reasoning_content", "reasoning"})
#: Memory that one pattern may take, bytes.
_MOST_MEMORY = 8 << 20


class Found(NamedTuple):
    """Something personal in a text."""

    start: int
    end: int
    #: Names its placeholder, such as `EMAIL`: capital letters.
    kind: str


#: Finds what is personal in a text. What it raises ends the job before anything is sent.
Recognizer = Callable[[str], Iterable[Found]]


def pseudonyms(
    *recognizers: Recognizer,
    presets: Sequence[str] = USUAL,
    provider: str | None = None,
    tag: str | None = None,
    order: int = 0,
) -> Around:
    """A middleware that takes personal data out of calls, to be declared in a module for `--middleware`.

    Args:
        recognizers: find what the presets do not; the first one that finds a place has it.
        presets: email, card, iban, phone, ip.
        provider, tag, order: as of `around`.

    Raises:
        ConfigError: there is no such preset.
    """
    unknown = [name for name in presets if name not in PRESETS]
    if unknown:
        raise ConfigError(f"presets has {unknown[0]!r}: expected some of {', '.join(PRESETS)}")
    find = (*recognizers, *map(_preset, presets))

    async def personal_data(request: Request, call_next: CallNext) -> Completion:
        said = request.messages
        names = _Placeholders(find, said)
        sent = [names.hidden(message) for message in said]
        if not names.values:
            return await call_next(request)
        reply = await call_next(request.replaced(messages=sent))
        return replace(reply, body={**reply.body, "choices": names.shown(reply.body.get("choices") or [])})

    return around(provider=provider, tag=tag, order=order)(personal_data)


class _Placeholders:
    """What stands for what, in one call: by the order in which values come, so that equal requests look alike.

    Args:
        find: recognizers, the most important first.
        messages: of the call, in which no placeholder may stand already.
    """

    def __init__(self, find: Sequence[Recognizer], messages: Sequence[Mapping[str, Any]]) -> None:
        self._find = find
        self._said = orjson.dumps([without_own_words(message) for message in messages]).decode()
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        #: Placeholder -> value.
        self.values: dict[str, str] = {}

    def hidden(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A message without what is personal, in any of its fields that have words."""
        return {name: self._hidden(name, value) for name, value in message.items()}

    def shown(self, value: Any) -> Any:
        """A part of an answer with the values in their places."""
        match value:
            case str():
                return self._with_values(value)
            case dict():
                # What its provider gets back stays as it wrote it: it is signed, and values would leave with it.
                return {name: each if name in OWN_WORDS else self.shown(each) for name, each in value.items()}
            case list():
                return [self.shown(each) for each in value]
            case _:
                return value

    def _hidden(self, name: str, value: Any) -> Any:
        match value:
            case str():
                return self._text(value) if name in _WORDS else value
            case dict() if name not in OWN_WORDS:
                return self.hidden(value)
            case list() if name not in OWN_WORDS:
                return [self._hidden(name, each) for each in value]
            case _:
                return value

    def _text(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for found in _apart(self._find, text):
            parts += [text[at : found.start], self._name(found.kind, text[found.start : found.end])]
            at = found.end
        return "".join([*parts, text[at:]]) if parts else text

    def _name(self, kind: str, value: str) -> str:
        name = self._names.get((kind, value))
        while name is None:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
            made = f"[{kind}_{count}]"
            # One that the prompt has already would be taken for a value of ours in the answer.
            if made not in self._said:
                name = self._names[kind, value] = made
                self.values[made] = value
        return name

    def _with_values(self, text: str) -> str:
        if "[" not in text:
            return text
        escaped = _is_json(text)
        for name, value in self.values.items():
            if name in text:
                text = text.replace(name, orjson.dumps(value).decode()[1:-1] if escaped else value)
        return text


def _apart(find: Sequence[Recognizer], text: str) -> list[Found]:
    """What was found, in its order; of what overlaps, what an earlier recognizer found, or the first and longest."""
    taken: list[Found] = []
    for recognizer in find:
        for found in sorted(recognizer(text), key=lambda one: (one.start, -one.end)):
            if found.start < found.end and all(found.end <= one.start or one.end <= found.start for one in taken):
                taken.append(found)
    return sorted(taken)


def _preset(name: str) -> Recognizer:
    return lambda text: [Found(match.start(), match.end(), name.upper()) for match in _pattern(name).finditer(text)]


@cache
def _pattern(name: str) -> Any:
    """In time linear in the text: prompts are others' words, and the loop is all jobs'."""
    options = re2.Options()
    options.max_mem, options.log_errors = _MOST_MEMORY, False
    return re2.compile(PRESETS[name], options)


def _is_json(text: str) -> bool:
    """Whether a text is a JSON document: a value is then written as JSON has it."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


#: What `--middleware homa_workers.middleware.pseudonyms` declares.
personal_data = pseudonyms()
