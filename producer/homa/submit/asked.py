"""Requests as applications give them, checked; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from homa.submit.attachments import names_of_media
from homa.submit.encoded_messages import Prepared
from homa.submit.job_options import names_apart
from homa.submit.messages import build_messages
from homa.submit.option_checks import check_key
from homa.submit.options import Options, check_options, spread
from homa.submit.template_values import check_alone
from homa_shared.model.errors import InvalidRequest

if TYPE_CHECKING:
    from homa_shared.store.gateway_keys import GatewayKey
    from homa_shared.store.transitions.gateway_rates import Headroom


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the application gave it, checked."""

    options: Options
    prepared: Prepared
    key: str | None = None
    #: What `Reply.parsed` is made with.
    schema: Any = None
    #: Options as they were said, of a request by a stored template: its prompt is made once the template is read.
    by_template: Mapping[str, Any] | None = None
    #: The key of the gateway that it comes by: its budget and rate apply.
    gateway_key: GatewayKey | None = None


@dataclass(frozen=True, slots=True)
class AcceptedJob:
    """A job that the store holds."""

    job_id: str
    #: False: an earlier submission under the same key made it.
    is_new: bool
    #: What the rate of its key leaves; None where it has none.
    headroom: Headroom | None = None


def ask_for(options: Mapping[str, Any]) -> Asked:
    """A request from the options of `submit`, prompt, model and schema among them.

    Raises:
        InvalidRequest: the first wrong one, named with its value and what was expected.
    """
    said = spread(options)
    if said.get("template") is not None:
        return _by_template(said)
    if said.get("values") is not None:
        raise InvalidRequest("values without template: expected both, or neither")
    images, files = said.get("images"), said.get("files")
    messages = build_messages(said.get("prompt"), said.get("messages"), said.get("system"), images, files)
    key = said.get("key")
    return Asked(
        check_options({name: value for name, value in said.items() if name not in names_apart()}),
        Prepared.of(messages, names_of_media(messages, images, files)),
        None if key is None else check_key("key", key),
        said.get("schema"),
    )


def _by_template(said: Mapping[str, Any]) -> Asked:
    """A request whose prompt is made later; all else of it is checked."""
    check_alone(said)
    probe = ask_for({**said, "template": None, "values": None, "prompt": "-"})
    return replace(probe, by_template=said)
