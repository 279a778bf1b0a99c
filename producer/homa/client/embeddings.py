"""Embeddings as a client asks for them: texts in, vectors out, in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, overload

from homa.client.results import Reply
from homa.submit.encoded_messages import Prepared
from homa.submit.job_options import EmbeddingOptions, own_names
from homa.submit.option_checks import check_key
from homa.submit.options import check_options, spread
from homa.submit.submitter import Asked
from homa_shared.calls.embeddings import unpack
from homa_shared.calls.reply import Usage
from homa_shared.calls.request import EMBEDDING, to_json
from homa_shared.model.errors import InvalidRequest

#: Options of embeddings; `model` stands in the signature.
_OF_EMBEDDINGS = EmbeddingOptions.__annotations__.keys() | {"model"}


@dataclass(frozen=True)
class Embedded(Sequence[list[float]]):
    """Vectors in the order of their texts, and what they cost."""

    reply: Reply[Any] = field(repr=False)

    @cached_property
    def vectors(self) -> list[list[float]]:
        """One for each text; empty where the provider refused it (see `errors`)."""
        return [unpack(item["embedding"] or "") for item in self.reply.body["data"]]

    @cached_property
    def errors(self) -> dict[int, str]:
        """Why the provider refused single texts, by their place. All of them refused is a failed job."""
        return {place: item["error"] for place, item in enumerate(self.reply.body["data"]) if "error" in item}

    @property
    def job_id(self) -> str:
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
        return self.reply.usage

    @property
    def cached_texts(self) -> int:
        """Texts whose vectors were kept from jobs before, where `cache` is on."""
        return self.reply.cached_inputs

    @property
    def cost_usd(self) -> Decimal | None:
        """Known cost of all calls in dollars, exact; None where the price is not known."""
        return self.reply.cost_usd

    def __len__(self) -> int:
        return len(self.reply.body["data"])

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
    given = {name: value for name, value in spread(options).items() if value is not None}
    key = given.pop("key", None)
    for name in given:
        if name in own_names() and name not in _OF_EMBEDDINGS:
            raise InvalidRequest(f"{name} means nothing to embeddings: expected texts and a model of embeddings only")
    prepared = Prepared(to_json(inputs, "texts"), [], inputs=inputs)
    return Asked(check_options(given, EMBEDDING), prepared, None if key is None else check_key("key", key))


def _checked(texts: object) -> list[str]:
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
        raise InvalidRequest(f"texts is {texts!r:.80}: expected a list of at least one text")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            raise InvalidRequest(f"texts[{i}] is {text!r:.80}: expected text of at least one character")
    return list(texts)
