"""Keys and passwords of a process, taken out of what leaves it: servers and proxies repeat them in their errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

import orjson

from homa_shared.calls.failures import ProviderError
from homa_shared.settings.explain import MASK

#: A shorter one is a placeholder such as `ollama`, and a word that texts hold.
_LEAST_CHARS = 8
#: So many characters of one that was cut are hidden anywhere in a message: fewer say no more than whose key it is.
_LEAST_CUT_CHARS = 12
#: In answers of models, only what no text holds by chance.
_LEAST_CHARS_IN_ANSWERS = 20


class Secrets:
    """What must not be told.

    Args:
        values: keys and passwords; short ones are left out.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        #: Finds what answers must not hold, in one pass: every reply goes through it.
        self._in_replies: re.Pattern[bytes] | None = None
        #: The same of streamed text; these forms themselves, and their first characters.
        self._in_text: re.Pattern[str] | None = None
        self._long: list[str] = []
        self._first: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """One more, such as a key that was replaced while the process runs."""
        for form in dict.fromkeys((value, quote(value, safe=""), orjson.dumps(value).decode()[1:-1])):
            if len(value) >= _LEAST_CHARS and form not in self._forms:
                self._forms.append(form)
        # The longest first: one may be part of another.
        self._forms.sort(key=len, reverse=True)
        self._long = [form for form in self._forms if len(form) >= _LEAST_CHARS_IN_ANSWERS]
        if self._long:
            whole = "|".join(map(re.escape, self._long))
            self._in_replies, self._in_text = re.compile(whole.encode()), re.compile(whole)
            self._first = re.compile("|".join({re.escape(form[0]) for form in self._long}))

    def hidden(self, text: str) -> str:
        """A text without them, whole or cut: messages quote a reply's beginning, with words of their own behind it."""
        for form in self._forms:
            text = _hidden(text, form)
            cut = next((n for n in range(len(form) - 1, _LEAST_CHARS - 1, -1) if text.endswith(form[:n])), 0)
            if cut:
                text = text[:-cut] + MASK
        return text

    def hidden_answer(self, content: bytes) -> bytes:
        """A reply, or a step's state, without them."""
        return content if self._in_replies is None else self._in_replies.sub(MASK.encode(), content)

    def in_pieces(self) -> HiddenPieces:
        """Takes them out of one text that comes in pieces."""
        return HiddenPieces(self)

    def hidden_text(self, text: str) -> str:
        """A text of an answer without them."""
        return text if self._in_text is None else self._in_text.sub(MASK, text)

    def begun_at(self, text: str) -> int:
        """Where one begins of which the text holds no more than the beginning; its length where none does."""
        if self._in_text is None or self._first is None:
            return len(text)
        whole = [found.span() for found in self._in_text.finditer(text)]
        for found in self._first.finditer(text, max(0, len(text) - len(self._long[0]) + 1)):
            at = found.start()
            # The end of one that is whole may be how another begins.
            if self._is_begun(text[at:]) and not any(start < at < end for start, end in whole):
                return at
        return len(text)

    def _is_begun(self, tail: str) -> bool:
        return any(form.startswith(tail) and form != tail for form in self._long)

    def hide(self, error: ProviderError) -> None:
        """Takes them out of all that an error says."""
        error.message = self.hidden(error.message)
        error.partial_text = self.hidden(error.partial_text) if error.partial_text else ""
        error.code = self.hidden(error.code) if error.code else error.code
        error.request_id = self.hidden(error.request_id) if error.request_id else error.request_id
        body = getattr(error, "body", None)
        if body is not None:
            error.body = orjson.loads(self.hidden(orjson.dumps(body).decode()))  # type: ignore[attr-defined]


class HiddenPieces:
    """A streamed text without secrets, also where pieces cut one in two.

    What a piece ends with is kept back while it is how a secret begins: fewer characters than the longest of them has.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = ""

    def add(self, piece: str) -> str:
        """What may be told once this piece has come."""
        text = self._held + piece
        cut = self._secrets.begun_at(text)
        self._held = text[cut:]
        return self._secrets.hidden_text(text[:cut])

    def end(self) -> str:
        """What was kept back, once no more comes."""
        held, self._held = self._held, ""
        return self._secrets.hidden_text(held)


def _hidden(text: str, form: str) -> str:
    """A text without a form of a secret, and without whatever tells more than its beginning."""
    telling = form[: min(_LEAST_CUT_CHARS, max(_LEAST_CHARS, len(form) // 2))]
    head, *tails = text.split(telling)
    return head + "".join(MASK + tail[_shared(tail, form[len(telling) :]) :] for tail in tails)


def _shared(text: str, rest: str) -> int:
    """How many characters a text goes on as a secret does. One that ends in mid-escape would leave half of it."""
    differs = (n for n, (one, other) in enumerate(zip(text, rest, strict=False)) if one != other)
    shared = next(differs, min(len(text), len(rest)))
    escapes = shared - len(text[:shared].rstrip("\\"))
    return shared - escapes % 2 if shared < len(rest) else shared


NO_SECRETS = Secrets()
