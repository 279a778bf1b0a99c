"""What is asked of all rows, and the digest by which a later run of the same name knows its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homa.submit.encoded_messages import Prepared
from homa.submit.option_checks import Dollars
from homa.submit.options import check_options, spread
from homa.submit.request_digests import digest
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import Lane

#: Longest name: with a row's digest behind it, it is an idempotency key.
_MOST_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Order:
    """What all rows of a table are asked."""

    #: Options of `submit_batch`, name, model and schema among them.
    options: Mapping[str, Any]
    #: By which later runs find what this one did; empty: they do not.
    name: str
    tenant: str
    #: Of model, parameters, system text and schema: a row's answer goes by it and its prompt.
    digest: str
    #: Of the template, too: a batch of another one asks what nobody wants any more.
    mark: str
    #: Nano-dollars that all runs of the name may cost; None: no cap.
    budget: int | None

    @property
    def schema(self) -> Any:
        return self.options.get("schema")

    def row_digest(self, prompt: str, occurrence: int) -> str:
        """What a row's answer goes by: what is asked, and which of several equal rows it is."""
        return _digest(f"{self.digest}\n{occurrence}\n{prompt}")

    def key(self, row_digest: str, attempt: int) -> str:
        """The idempotency key of a row's job; each attempt at a row whose job ended without an answer has its own."""
        return f"map:{self.name}:{row_digest}" + (f".{attempt}" if attempt else "")


def order_of(options: Mapping[str, Any], template: str | None) -> Order:
    """The order that `map`'s arguments make, checked.

    Args:
        options: all but rows, prompt and progress; None counts as not given.
        template: of the prompts; None for the rows' texts.

    Raises:
        InvalidRequest: the first wrong one, named with its value and what was expected.
    """
    given = {"lane": Lane.BULK, **{name: value for name, value in spread(options).items() if value is not None}}
    for name in ("key", "messages", "images", "files", "custom_id", "template", "values"):
        if name in given:
            raise InvalidRequest(
                f"{name} has no place in map: expected a prompt for all rows, and submit_batch for more"
            )
    if "model" not in given:
        raise InvalidRequest("model is missing: expected `provider:model`, or an alias")
    shared = {name: value for name, value in given.items() if name not in ("name", "budget_usd", "system")}
    checked = check_options(shared)
    system = given.get("system")
    messages = [] if system is None else [{"role": "system", "content": system}]
    budget = given.get("budget_usd")
    asked = digest(checked, Prepared.of(messages))
    return Order(
        options=given,
        name=_checked_name(given.get("name")),
        tenant=checked.tenant,
        digest=asked,
        mark=_digest(f"{asked}\n{template}"),
        budget=None if budget is None else Dollars()("budget_usd", budget),
    )


def _digest(said: str) -> str:
    return hashlib.blake2b(said.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _checked_name(name: object) -> str:
    if name is None:
        return ""
    if not isinstance(name, str) or not name or len(name.encode(errors="replace")) > _MOST_NAME_BYTES:
        raise InvalidRequest(f"name is {name!r:.80}: expected text of 1 to {_MOST_NAME_BYTES} bytes")
    if not name.isprintable():
        raise InvalidRequest(f"name is {name!r:.80}: expected text without control characters")
    return name
