"""A step held against the steps that it follows: refused where it is declared, with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from homa.flows.steps import GATHERED, Step
from homa.submit.job_options import known_names
from homa.submit.option_checks import check_key
from homa.submit.options import check_options
from homa.submit.response_format import response_format
from homa_shared.calls.prompt_templates import PLACEHOLDER
from homa_shared.model.errors import InvalidRequest

#: Options of `submit` that say when or as what a job is submitted: a step's jobs are made by the run.
OF_THE_RUN = (
    "cache",
    "key",
    "budget_usd",
    "delay_s",
    "at",
    "deadline_s",
    "template",
    "values",
    "messages",
    "images",
    "files",
)
#: Arguments of the methods of `Flow`.
_ARGUMENTS = (
    "check",
    "repair",
    "escalate",
    "prompt",
    "model",
    "name",
    "schema",
    "fan_in",
    "on_failure",
    "expires_s",
    "default",
)


def follows_of(known: Iterable[Step], given: object) -> tuple[Step, ...]:
    """The steps that a step follows, as an application gives them.

    Raises:
        InvalidRequest: one of them is no step of this flow, or they are not done for the same items.
    """
    steps = (given,) if isinstance(given, Step) else tuple(given) if isinstance(given, Sequence) else (given,)
    if not steps:
        raise InvalidRequest("a step follows none: expected a step of this flow, or several")
    own = {id(step) for step in known}
    for step in steps:
        if not isinstance(step, Step) or id(step) not in own:
            raise InvalidRequest(f"a step follows {step!r:.80}: expected a step that this flow has made")
    if len({id(step) for step in steps}) < len(steps):
        raise InvalidRequest(f"a step follows {steps[0].name} twice: expected each step once")
    over = {id(items_of(step)) for step in steps}
    if len(over) > 1:
        named = " and ".join(step.name for step in steps)
        raise InvalidRequest(f"a step follows {named}, which are not done for the same items: expected such as are")
    return steps


def items_of(step: Step) -> Step | None:
    """The source that a step behind this one is done for."""
    return step if step.kind == "source" else step.over


def check_run_options(options: Mapping[str, Any]) -> tuple[str | None, str, dict[str, Any]]:
    """The key and name of a run, and the options of all its jobs.

    Raises:
        InvalidRequest: one of them is wrong.
    """
    key, name = options.get("key"), options.get("name", "")
    if not isinstance(name, str):
        raise InvalidRequest(f"name is {name!r:.80}: expected text")
    shared = {each: options[each] for each in ("tenant", "tags", "lane") if options.get(each) is not None}
    check_options({"model": "p:m", **shared})
    return None if key is None else check_key("key", key), name, shared


def check_reuse(given: object) -> bool:
    """Raises InvalidRequest for what says neither yes nor no."""
    if not isinstance(given, bool):
        raise InvalidRequest(f"reuse is {given!r:.80}: expected True or False")
    return given


def check_step_options(place: str, options: Mapping[str, Any]) -> None:
    """Raises InvalidRequest for options of a step that are wrong, or belong to the whole run."""
    for name in OF_THE_RUN:
        if options.get(name) is not None:
            raise InvalidRequest(f"{place}: {name} has no place in a step: the run has it, or its inputs")
    for name in options.keys() - known_names():
        # What is no option of a job is the provider's, unless it is nearly an argument of the step itself.
        if meant := get_close_matches(name, _ARGUMENTS, 1, cutoff=0.8):
            raise InvalidRequest(f"{place}: unknown option {name!r}: did you mean {meant[0]!r}?")
    try:
        check_options(options)
    except InvalidRequest as error:
        raise type(error)(f"{place}: {error}") from error


def check_prompt_names(place: str, step: Step) -> None:
    """Raises InvalidRequest where a prompt names what the steps before do not have, or nothing at all."""
    names = list(dict.fromkeys(name.strip() for name in PLACEHOLDER.findall(f"{step.prompt}\n{step.system or ''}")))
    known, is_open = names_known(step)
    # Whoever is asked from outside may be told the same for each item.
    if not names and step.kind != "wait":
        raise InvalidRequest(
            f"{place}: its prompt names nothing of what it follows, so that each call would be the same paid question: "
            f"expected one of {_listed(known, is_open=is_open)}"
        )
    for name in names:
        if name not in known and not is_open:
            close = get_close_matches(name, known, 1)
            hint = f"; did you mean {{{{{close[0]}}}}}?" if close else ""
            raise InvalidRequest(
                f"{place}: its prompt names {{{{{name}}}}}, which {_followed(step)} does not have: expected one of "
                f"{_listed(known, is_open=is_open)}{hint}"
            )


def names_known(step: Step) -> tuple[list[str], bool]:
    """What a step's prompt may name, and whether that is all: what fields items have is known when they come."""
    if step.kind == "reduce":
        return list(GATHERED), False
    found, is_open = ["answer"], False
    for parent in step.follows:
        fields = answer_fields(parent)
        found += [parent.name, *fields, *(f"{parent.name}.{name}" for name in fields)]
        is_open = is_open or parent.kind == "source"
    return list(dict.fromkeys(found)), is_open


def answer_fields(step: Step) -> list[str]:
    """Fields that the answers of a step have by its schema; none where it has no schema of an object."""
    if step.kind in ("filter", "join"):
        return list(dict.fromkeys(name for base in step.bases for name in answer_fields(base)))
    if step.schema is None:
        return []
    schema = response_format(step.schema)["json_schema"]["schema"]
    properties = schema.get("properties")
    return list(properties) if isinstance(properties, Mapping) else []


def _followed(step: Step) -> str:
    return " and ".join(parent.name for parent in step.follows)


def _listed(names: Sequence[str], *, is_open: bool) -> str:
    fields = ", or a field of the items" if is_open else ""
    return ", ".join(f"{{{{{name}}}}}" for name in names) + fields
