"""The options of a request, checked once by their table (job_options.py), and parted by what they fill.

A name that the table lacks goes to the provider as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from homa.submit.job_options import known_names, own_names, passed_on, rows
from homa.submit.option_checks import Whole, check_model, refuse_infinite, wrong
from homa.submit.option_row import JobOption, Part
from homa.submit.provider_options import PROVIDER_METADATA
from homa.submit.tool_checks import RunTools
from homa_shared.calls.openai_apis import in_chat_shape
from homa_shared.calls.prompt_templates import TAG
from homa_shared.calls.reply import CHAT_API, RESPONSES_API
from homa_shared.calls.request import CHAT, NO_TOOLS, StepRules
from homa_shared.model.errors import InvalidRequest
from homa_shared.quota.parameter_costs import FREE

#: Options of which a request may have one.
_EITHER = frozenset({"delay_s", "at"})

#: Row of a name that the table lacks.
_UNKNOWN = JobOption("")


@dataclass(frozen=True, slots=True)
class Options:
    """The checked options of one request, or of all requests of a batch that say the same."""

    model: str
    fallbacks: tuple[str, ...] = ()
    #: Provider options in OpenAI's names.
    params: Mapping[str, Any] = field(default_factory=dict)
    #: Fields of the record (`Common`) that were said.
    record: Mapping[str, Any] = field(default_factory=dict)
    #: Fields of the stored request (`request_head`) that differ from what holds anyway.
    request: Mapping[str, Any] = field(default_factory=dict)
    #: From now, ms; 0 for none.
    deadline_ms: int = 0
    delay_ms: int = 0
    #: ms since 1970 by the store's clock; None for now.
    at_ms: int | None = None
    #: None: as the alias says.
    cache: bool | None = None
    kind: str = CHAT
    #: What the job carries for its application, as JSON; empty for nothing.
    metadata: str = ""
    #: What the provider's prompt cache is to keep; None: what is found.
    prompt_cache: bool | str | None = None
    #: The stored template that its prompt was made by, `name@version`; empty: by none.
    template: str = ""

    @property
    def tenant(self) -> str:
        return str(self.record.get("tenant", ""))

    def of_template(self, ref: str) -> Options:
        """The same for a job of a stored template, which its record notes as a tag.

        Args:
            ref: `name@version`.

        Raises:
            InvalidRequest: the application has a tag of that name.
        """
        tags = str(self.record.get("tags", ""))
        if any(line.startswith(f"{TAG}=") for line in tags.split("\n")):
            raise InvalidRequest(f"tags has {TAG!r}, which a job of a template bears by itself: expected another name")
        noted = "\n".join(filter(None, [tags, f"{TAG}={ref}"]))
        return replace(self, record={**self.record, "tags": noted}, template=ref)

    @property
    def job_budget(self) -> int | None:
        """Nano-dollars."""
        budget: int | None = self.record.get("job_budget")
        return budget

    @property
    def api(self) -> str:
        """Which of OpenAI's APIs: chat or responses."""
        return str(self.request.get("api", CHAT_API))

    @property
    def steps(self) -> StepRules:
        """How far an answer may be pursued over several calls."""
        rules: StepRules = self.request.get("steps", NO_TOOLS)
        return rules


def check_options(options: Mapping[str, Any], kind: str = CHAT) -> Options:
    """Options as a request has them; those that are None count as not given.

    Args:
        options: all but those that make its messages or name its job. Unknown names are provider options.
        kind: of request.

    Raises:
        InvalidRequest: the first wrong one, named with its value and what was expected.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if given.keys() >= _EITHER:
        raise InvalidRequest("both delay_s and at: expected one of them")
    if "model" not in given:
        check_model("model", None)
    if given.get("api") == RESPONSES_API:
        given = chat_shaped(given)
    filled = _Filled()
    for name, value in given.items():
        filled.put(name, value)
    return filled.options(kind)


def spread(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with those of `provider_options` among them, as if they had been given by name.

    Raises:
        InvalidRequest: it is not a mapping of names, or one of them is given by name, too; or a name is that of a known
            parameter but for a slip of the pen.
    """
    given = dict(options)
    for name in given.keys() - known_names():
        _refuse_misspelt_of_provider(name)
    more = given.pop("provider_options", None)
    if more is None:
        return given
    if not isinstance(more, Mapping) or not all(isinstance(name, str) for name in more):
        raise wrong("provider_options", more, 'names and values, such as {"min_p": 0.05}')
    if "provider_options" in more:
        raise wrong("provider_options", more, "names and values that are not in a provider_options of their own")
    for name in more:
        if given.get(name) is not None and name != "metadata":
            raise InvalidRequest(f"{name} is given by name and in provider_options: expected one of them")
    return given | {PROVIDER_METADATA if name == "metadata" else name: value for name, value in more.items()}


class _Filled:
    """What the options of one request fill."""

    def __init__(self) -> None:
        self._parts: dict[Part, dict[str, Any]] = {part: {} for part in Part}
        #: Part and field -> the option that filled it.
        self._by: dict[tuple[Part, str], str] = {}
        #: Definitions of tools that the worker runs.
        self._defined: list[dict[str, Any]] = []

    def put(self, name: str, value: object) -> None:
        row = rows().get(name)
        if row is None:
            row = passed_on().get(name)
        if row is None:
            _refuse_misspelt(name)
            row = _UNKNOWN
        if row.part is Part.APART:
            raise InvalidRequest(f"{name} has no place among options that requests share: expected in each request")
        if (other := self._by.setdefault((row.part, row.field or name), name)) != name:
            raise InvalidRequest(f"both {other} and {name}: expected one of them")
        kept = value if row.check is None else row.check(name, value)
        if isinstance(kept, RunTools):
            self._defined, kept = kept.definitions, kept.names
        if row.part is Part.PROVIDER:
            refuse_infinite(name, kept)
        # The stored request says nothing of what holds anyway: requests that ask the same are then stored the same.
        if kept is not None and not (row.part is Part.REQUEST and kept == row.default):
            self._parts[row.part][row.field or name] = kept

    def options(self, kind: str) -> Options:
        params, request = self._parts[Part.PROVIDER], self._parts[Part.REQUEST]
        if self._defined:
            params["tools"] = [*params.get("tools", ()), *self._defined]
        steps = StepRules(**self._parts[Part.STEPS])
        if steps != NO_TOOLS:
            request["steps"] = steps
        return Options(
            params=params, record=self._parts[Part.RECORD], request=request, kind=kind, **self._parts[Part.CLIENT]
        )


def chat_shaped(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the Responses API under the names and in the shapes of Chat Completions.

    Budgets go by those names, and workers and a fallback of another API understand those shapes.
    """
    shaped = dict(given)
    cap = shaped.pop("max_output_tokens", None)
    if cap is not None:
        shaped.setdefault("max_tokens", Whole()("max_output_tokens", cap))
    return in_chat_shape(shaped)


def refuse_unknown(names: Set[str]) -> None:
    """Refuses what a line of a batch has beside options, such as a table's columns, which the provider would get.

    Raises:
        InvalidRequest: the first such name, with the way to say what was meant.
    """
    for name in sorted(map(str, names - known_names())):
        _refuse_misspelt(name)
        raise InvalidRequest(
            f"{name!r:.80} is no option: a row's values belong in its prompt; "
            "a further parameter of the provider's in provider_options={…}"
        )


def _refuse_misspelt(name: str) -> None:
    """A slip of the pen must not travel to the provider as an option of its own."""
    meant = get_close_matches(name, own_names(), n=1, cutoff=0.8)
    if not meant:
        # Letters in another order, which a ratio thinks little of in a short name.
        meant = [own for own in own_names() if len(own) > 2 and sorted(own) == sorted(name)]
    if meant:
        raise InvalidRequest(f"unknown option {name!r}: did you mean {meant[0]!r}?")


def _refuse_misspelt_of_provider(name: str) -> None:
    """The same for parameters of providers, of which many are in no list: only what can hardly be another one."""
    meant = get_close_matches(name, passed_on(), n=1, cutoff=0.9)
    if meant and name not in FREE:
        raise InvalidRequest(
            f"unknown option {name!r}: did you mean {meant[0]!r}? A parameter that the provider has under this very "
            "name goes into provider_options={…}"
        )
