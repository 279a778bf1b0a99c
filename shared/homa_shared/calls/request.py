"""A job's request as the store keeps it: messages and parameters in OpenAI's names, and the chain of targets.

    {"v": 1, "messages": […], "params": {…}, "targets": ["openai:gpt-6-luna", …],
     "plans": [[bound, total, input, output], …], "stream": false, "priced": "…"}

A job of embeddings has `"kind": "embedding", "inputs": […]` and no messages, and `"cache": true` where single texts may
be answered from the cache. `"steps": {"tools": […], "max_steps": 10, "content_retries": 2}` stands where an answer may
take several calls; `"on_cut"` among them where a cut answer is not just kept.

* `"api": "responses"` asks for OpenAI's Responses API; nothing said is Chat Completions (openai_apis.py).
* `"turn": true` answers a turn of a conversation: what tools were asked and said is kept with the reply.
* `"flow": {…}` does a step of a flow: its messages are to be filled with other steps' answers (flow_place.py);
  `"rules"` beside it says what is asked of its own answer (flow_rules.py).
* `"shared": [messages, characters]` marks the beginning of the prompt that other jobs have, too (shared_prefix.py).
* `"trace": "00-…-01"` stands in the requests of traced jobs (traces.py).
* `"in": "…"` stands where the request's beginning is kept beside its batch (batch_beginning.py); no worker gets it so.
* `"regions": ["eu"]` names where the accounts are that may get it.
* `"caps": [32768, 4096]` stands beside `targets` where the output caps that Homa chose differ; `params` have the least.

Images and documents stand as references in the messages (media.py); where the messages themselves are large, one
reference stands in their place. `"skipped": [[target, why], …]` are those of the chain that cannot do the job.

`plans` stands beside `targets`: what a call to each would reserve (upper bound of its cost in nano-dollars, null where
unpriced; tokens). Whoever submits knows the price book; a worker that reroutes needs none. `priced` names the prices
that the bounds were reckoned by (price_stamp.py): a worker that knows others reckons again before it calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from homa_shared.calls.batch_beginning import BEGINNING_VERSION, name_of_beginning
from homa_shared.calls.encoded_request import ruled, traced
from homa_shared.calls.flow_place import FlowPlace
from homa_shared.calls.flow_rules import NO_RULES, AnswerRules
from homa_shared.calls.media import REFERENCE
from homa_shared.calls.reply import CHAT_API, Call
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_shared.encryption.envelope import is_sealed, key_of
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.model.tokens import NO_TOKENS, Tokens

#: Version of the request that this release writes.
REQUEST_VERSION = BEGINNING_VERSION
#: The first version that knows `api`. A request that says it is of no older one, whoever lives: a worker that did not
#: know it would ask another API than the job's parameters are for. Such a worker hands the job back.
_API_VERSION = 2
#: The same of `turn`: others would end the job without appending its answer.
_TURN_VERSION = 3
#: The same of `flow`: others would send the template as it stands; and of `regions`: others would leave them.
_FLOW_VERSION = _REGIONS_VERSION = 4

#: Kinds of request.
CHAT, EMBEDDING = "chat", "embedding"


class NewerRequest(InvalidRequest):
    """A stored request is of a version that this release does not know: a newer worker can do it."""


class SealedRequest(NewerRequest):
    """A stored request is encrypted by a key that this process does not have: one that has it can do it."""


@dataclass(frozen=True, slots=True)
class Option:
    """One target of a chain, with what a call to it reserves."""

    target: str
    #: Upper bound of one call's cost, nano-dollars; None: unpriced.
    bound: int | None = None
    #: To reserve.
    tokens: Tokens = NO_TOKENS


@dataclass(frozen=True, slots=True)
class StepRules:
    """How far an answer may be pursued over several calls."""

    #: Names of registered tools that the worker runs itself; calls of others are the reply.
    tools: tuple[str, ...] = ()
    #: Most calls of a job with tools, over all its attempts.
    max_steps: int = 10
    #: Most calls that repeat one whose answer did not fit the schema.
    content_retries: int = 2
    #: What becomes of an answer that was cut at its output cap: keep, retry or fail.
    on_cut: str = "keep"

    def encode(self) -> bytes:
        rules = {"tools": self.tools, "max_steps": self.max_steps, "content_retries": self.content_retries}
        return orjson.dumps(rules if self.on_cut == "keep" else {**rules, "on_cut": self.on_cut})

    @classmethod
    def decode(cls, found: Mapping[str, Any]) -> StepRules:
        rules = tuple(found["tools"]), int(found["max_steps"]), int(found["content_retries"])
        return cls(*rules, found.get("on_cut", "keep"))


#: Rules of a request that says nothing of them.
NO_TOOLS = StepRules()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One completion that is asked for, or the embeddings of some texts."""

    messages: list[dict[str, Any]]
    #: OpenAI's names; what an adapter does not know it passes to the provider.
    params: dict[str, Any] = field(default_factory=dict)
    #: The resolved chain: never empty in a request that was accepted.
    options: tuple[Option, ...] = ()
    #: Whether deltas are wanted as they come.
    stream: bool = False
    version: int = REQUEST_VERSION
    kind: str = CHAT
    #: Texts to embed.
    inputs: list[str] = field(default_factory=list)
    steps: StepRules = NO_TOOLS
    #: Targets that were asked for and cannot do the job, with the reason.
    skipped: tuple[tuple[str, str], ...] = ()
    #: Digest of messages or inputs, where they are too many to stand in the request, and are then empty.
    held: str = ""
    #: What its prompt has in common with others'.
    shared: SharedPrefix | None = None
    #: Which of OpenAI's APIs is asked for: chat or responses.
    api: str = CHAT_API
    #: Whether single texts may be answered from the cache, at whatever target embeds them.
    cache: bool = False
    #: Output cap at each target of the chain; empty: that of `params`.
    caps: tuple[int, ...] = ()
    #: The prices that the bounds of `options` were reckoned by; empty: not known.
    priced: str = ""
    #: Whether it answers a turn of a conversation.
    turn: bool = False
    #: The step of a flow that it does: its messages are a template until a worker has filled it.
    flow: FlowPlace | None = None
    #: Of a step of a flow: what is asked of its answer.
    rules: AnswerRules = NO_RULES
    #: Context of its trace, a W3C `traceparent`; empty: it is not traced.
    trace: str = ""
    #: Where the accounts are that may get it; empty: anywhere.
    regions: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(option.target for option in self.options)

    def encode(self) -> bytes:
        """The request as the store keeps it.

        Raises:
            InvalidRequest: a value is no JSON.
        """
        names = ("stream", "kind", "steps", "version", "api", "cache", "caps", "priced", "turn", "regions")
        said = {name: getattr(self, name) for name in names}
        does_step, least = self.flow is not None, self.rules.least_version
        head = request_head(self.params, self.targets, flow=does_step, least_version=least, **said)
        asked = to_json(self.inputs, "inputs") if self.kind == EMBEDDING else to_json(self.messages, "messages")
        whole = head + asked + request_tail(self.options, self.skipped, self.shared)
        if self.rules:
            whole = ruled(whole, self.rules)
        if self.flow is not None:
            whole = b'%b,"flow":%b}' % (whole[:-1], self.flow.encode())
        return traced(whole, self.trace) if self.trace else whole

    @classmethod
    def decode(cls, raw: bytes) -> JobRequest:
        """Read what `encode` wrote.

        Raises:
            NewerRequest: it is of a version that this release does not know.
            SealedRequest: it is encrypted by a key that is not here.
            InvalidRequest: it is no request.
        """
        if is_sealed(raw):
            raise SealedRequest(
                f"request sealed by the key {key_of(raw)!r:.40}, which is not here: add it to HOMA_ENCRYPTION_KEYS"
            )
        if name_of_beginning(raw) is not None:
            raise InvalidRequest(
                f"request {raw[:80]!r} lacks its beginning, which the store no longer has beside its batch"
            )
        try:
            found = orjson.loads(raw)
            if found["v"] > REQUEST_VERSION:
                raise NewerRequest(
                    f"request of version {found['v']}: this release reads up to {REQUEST_VERSION}; upgrade it"
                )
            options = tuple(
                Option(target, bound, Tokens(*tokens))
                for target, (bound, *tokens) in zip(found["targets"], found["plans"], strict=True)
            )
            inputs = found.get("inputs", [])
            messages = [] if "inputs" in found else found["messages"]
            elsewhere = next((part for part in (messages, inputs) if isinstance(part, str)), "")
            held = elsewhere.removeprefix(REFERENCE)
            return cls(
                [] if held else messages,
                found["params"],
                options,
                found["stream"],
                found["v"],
                found.get("kind", CHAT),
                [] if held else inputs,
                StepRules.decode(found["steps"]) if "steps" in found else NO_TOOLS,
                tuple((target, why) for target, why in found.get("skipped", ())),
                held,
                SharedPrefix.decode(found["shared"]) if "shared" in found else None,
                found.get("api", CHAT_API),
                found.get("cache", False),
                tuple(found.get("caps", ())),
                found.get("priced", ""),
                found.get("turn", False),
                FlowPlace.decode(found["flow"]) if "flow" in found else None,
                AnswerRules.decode(found["rules"]) if "rules" in found else NO_RULES,
                found.get("trace", ""),
                tuple(found.get("regions", ())),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(
                f"{raw[:80]!r} is no stored request ({type(error).__name__}: {error}); expected JSON with v, messages, "
                "params, targets, plans and stream"
            ) from error

    def call(self, target: str, fallbacks_left: int = 0) -> Call:
        """What an adapter gets to call one of the targets."""
        return Call(Target.parse(target).model, self.messages, self.params_at(fallbacks_left), self.shared, self.api)

    def params_at(self, fallbacks_left: int) -> dict[str, Any]:
        """The parameters with the output cap of one target.

        Args:
            fallbacks_left: targets of the chain behind it.
        """
        if not self.caps:
            return self.params
        return {**self.params, "max_tokens": self.caps[len(self.caps) - fallbacks_left - 1]}


def request_head(
    params: Mapping[str, Any],
    targets: Sequence[str],
    *,
    stream: bool = False,
    kind: str = CHAT,
    steps: StepRules = NO_TOOLS,
    version: int | None = None,
    api: str = CHAT_API,
    cache: bool = False,
    caps: Sequence[int] = (),
    priced: str = "",
    turn: bool = False,
    regions: Sequence[str] = (),
    flow: bool = False,
    least_version: int = 0,
) -> bytes:
    """The encoded request up to its messages or inputs: what the jobs of a batch have in common, encoded once.

    Args:
        version: an older one, where workers live that read no newer; None: this release's own.
        cache: whether single texts may be answered from the cache.
        caps: output cap at each target, where they differ.
        priced: the prices that bounds are reckoned by.
        turn: whether it answers a turn of a conversation.
        regions: where the accounts are that may get it.
        flow: whether it does a step of a flow.
        least_version: the first one that knows what else it says.
    """
    version = REQUEST_VERSION if version is None else version
    said = ((flow, _FLOW_VERSION), (regions, _REGIONS_VERSION), (turn, _TURN_VERSION), (api != CHAT_API, _API_VERSION))
    least = max(least_version, next((least for is_said, least in said if is_said), 0))
    head = b'{"v":%d,"params":%b,"targets":%b,"stream":%b' % (
        max(version, least),
        _params_json(params),
        orjson.dumps(targets),
        b"true" if stream else b"false",
    )
    if api != CHAT_API:
        head += b',"api":%b' % to_json(api, "api")
    if steps != NO_TOOLS:
        head += b',"steps":%b' % steps.encode()
    if cache:
        head += b',"cache":true'
    if turn:
        head += b',"turn":true'
    if regions:
        head += b',"regions":%b' % orjson.dumps(regions)
    if caps:
        head += b',"caps":%b' % orjson.dumps(caps)
    if priced:
        head += b',"priced":%b' % orjson.dumps(priced)
    return head + (b',"messages":' if kind == CHAT else b',"kind":%b,"inputs":' % orjson.dumps(kind))


def request_tail(
    options: Sequence[Option], skipped: Sequence[tuple[str, str]] = (), shared: SharedPrefix | None = None
) -> bytes:
    """The encoded request behind its messages.

    Args:
        skipped: targets that cannot do the job, with the reason.
        shared: what its prompt has in common with others'.
    """
    reasons = b',"skipped":%b' % orjson.dumps(skipped) if skipped else b""
    return b'%b%b,"plans":[%b]}' % (
        reasons,
        b',"shared":%b' % shared.encode() if shared is not None else b"",
        b",".join(
            b"[%b,%d,%d,%d]" % (b"null" if option.bound is None else b"%d" % option.bound, *option.tokens)
            for option in options
        ),
    )


def _params_json(params: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(params)
    except TypeError:
        for name, value in params.items():
            to_json(value, name)  # the offender raises, by its name
        return to_json(params, "params")


def to_json(value: object, name: str) -> bytes:
    """A part of a request as JSON.

    Raises:
        InvalidRequest: it cannot be written as JSON (half a surrogate pair, a date, a number beyond 64 bits).
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidRequest(f"{name} is no JSON: {error}; expected text, numbers, lists and objects only") from error
