"""Embeddings as a client asks for them: texts in, vectors out, in the same order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from importlib import import_module
from math import nan
from typing import Any, overload

from homa.client.results import Failure, Reply
from homa.submit.asked import Asked
from homa.submit.encoded_messages import Prepared
from homa.submit.job_options import EmbeddingOptions, own_names
from homa.submit.option_checks import check_key
from homa.submit.options import check_options, spread
from homa_shared.calls.embeddings import unpack, unpack_bytes
from homa_shared.calls.reply import Usage
from homa_shared.calls.request import EMBEDDING, to_json
from homa_shared.model.errors import InvalidRequest

#: Options of embeddings; `model` stands in the signature.
_OF_EMBEDDINGS = EmbeddingOptions.__annotations__.keys() | {"model"}


@dataclass(frozen=True, slots=True)
class LostPart:
    """Texts of a job of several that ended without vectors."""

    texts: int
    failure: Failure

    @property
    def items(self) -> list[dict[str, Any]]:
        """As the texts of a reply stand in its body."""
        return [{"error": f"{self.failure.kind}: {self.failure.message}"} for _ in range(self.texts)]


@dataclass(frozen=True)
class Embedded(Sequence[list[float]]):
    """Vectors in the order of their texts, and what they cost."""

    #: Of the job; of several that of the first one.
    reply: Reply[Any] = field(repr=False)
    #: Where many texts took several jobs: all of these, in the order of their texts.
    parts: Sequence[Reply[Any] | LostPart] = field(default=(), repr=False)
    #: The batch of these jobs.
    batch_id: str | None = None

    @cached_property
    def vectors(self) -> list[list[float]]:
        """One for each text; empty where there is none (see `errors`)."""
        return [unpack(item.get("embedding") or "") for item in self._items()]

    @cached_property
    def errors(self) -> dict[int, str]:
        """Why single texts have no vectors, by their place. All of them without is a failed job."""
        return {place: item["error"] for place, item in enumerate(self._items()) if "error" in item}

    def array(self) -> Any:
        """The vectors as one array of 32-bit floats, a row for each text; NaN where a text has none.

        Returns:
            an array of numpy, where it is installed; else a `memoryview`: the buffer protocol with both dimensions.
        """
        packed = [unpack_bytes(item.get("embedding") or "") for item in self._items()]
        width = next(len(each) for each in packed if each)
        nothing = array("f", [nan]).tobytes() * (width // 4)
        buffer = bytearray().join(each or nothing for each in packed)
        try:
            numpy = import_module("numpy")  # the application's, if anybody's
        except ImportError:
            return memoryview(buffer).cast("f", (len(packed), width // 4))
        return numpy.frombuffer(buffer, numpy.float32).reshape(len(packed), width // 4)

    @property
    def job_id(self) -> str:
        """Of the job; of several that of the first one which has vectors."""
        return self.reply.job_id

    @property
    def provider(self) -> str:
        return self.reply.provider

    @property
    def model(self) -> str:
        return self.reply.model

    @property
    def usage(self) -> Usage:
        """Tokens of all calls; texts answered from the cache have none."""
        if not self.parts:
            return self.reply.usage
        used = [reply.usage for reply in self._replies]
        return Usage(
            input_tokens=sum(usage.input_tokens for usage in used),
            output_tokens=sum(usage.output_tokens for usage in used),
        )

    @property
    def cached_texts(self) -> int:
        """Texts whose vectors were kept from jobs before, where `cache` is on."""
        return sum(reply.cached_inputs for reply in self._replies)

    @property
    def cost_usd(self) -> Decimal | None:
        """Known cost of all calls in dollars, exact; None where the price is not known."""
        costs = [reply.cost_usd for reply in self._replies]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal())

    @property
    def _replies(self) -> list[Reply[Any]]:
        return [part for part in self.parts if isinstance(part, Reply)] if self.parts else [self.reply]

    def _items(self) -> Iterator[Mapping[str, Any]]:
        for part in self.parts or (self.reply,):
            yield from part.items if isinstance(part, LostPart) else part.body["data"]

    @cached_property
    def _length(self) -> int:
        return sum(1 for _ in self._items())

    def __repr__(self) -> str:
        cost = "no known price" if self.cost_usd is None else f"${self.cost_usd}"
        lost = len(self.errors)
        return f"<Embedded {len(self)} texts, {lost} without a vector, {self.provider}:{self.model}, {cost}>"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[list[float]]:
        return iter(self.vectors)

    @overload
    def __getitem__(self, index: int) -> list[float]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[list[float]]: ...

    def __getitem__(self, index: int | slice) -> list[float] | Sequence[list[float]]:
        return self.vectors[index]


def ask_for_embeddings(texts: object, options: Mapping[str, Any]) -> Asked:
    """A request for embeddings, checked.

    Args:
        options: those of `embed`, the model among them; unknown names are provider options.

    Raises:
        InvalidRequest: the first wrong one, named with its value and what was expected.
    """
    inputs = _checked(texts)
    given = options_of_embeddings(options)
    key = given.pop("key", None)
    prepared = Prepared(to_json(inputs, "texts"), [], inputs=inputs)
    return Asked(check_options(given, EMBEDDING), prepared, None if key is None else check_key("key", key))


def options_of_embeddings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `embed` that were given; raises InvalidRequest for one that means nothing to embeddings."""
    given = {name: value for name, value in spread(options).items() if value is not None}
    for name in given:
        if name in own_names() and name not in _OF_EMBEDDINGS:
            raise InvalidRequest(f"{name} means nothing to embeddings: expected texts and a model of embeddings only")
    return given


def check_text(text: object, place: int) -> str:
    """A text to embed; raises InvalidRequest, naming its place."""
    if not isinstance(text, str) or not text:
        raise InvalidRequest(f"texts[{place}] is {text!r:.80}: expected text of at least one character")
    return text


def _checked(texts: object) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
        raise InvalidRequest(f"texts is {texts!r:.80}: expected a list of at least one text")
    return [check_text(text, place) for place, text in enumerate(texts)]
