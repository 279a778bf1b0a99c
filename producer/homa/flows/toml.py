"""A flow from a file: `flow.toml`.

    name = "contracts"

    [steps.facts]
    map = "pages"
    prompt = "Facts of this page: {{text}}"
    schema = "facts.json"
    model = "openai:gpt-6-luna"

    [steps.pages]
    split = "pages"

A step says what it does by one of `split`, `map`, `reduce`, `filter`, `join`, `wait` and `code`. Its value is the step
or steps that it follows, `inputs` where it follows none; that of `code` is a function's name, and `step` says what it
follows; that of `split` is a field, unless `unit` or `function` says what makes the parts. All else are the arguments
of the method of `Flow` of that name. The order of the steps is free. A prompt that begins with `@` names a file beside
this one, and so does a schema that is a text.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from homa.flows.flow import Flow
from homa.flows.steps import INPUTS, Step
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import nearest
from homa_shared.settings.names import suggestion

#: What a step may do.
VERBS = ("split", "map", "reduce", "filter", "join", "wait", "code")


def read_flow(path: Path) -> Flow:
    """The flow of a file.

    Raises:
        InvalidRequest: it cannot be read, or a step is wrong; the message begins with file and step.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidRequest(f"{path}: {error.strerror or error}: expected a flow as TOML") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidRequest(f"{path}: {error}: expected TOML in UTF-8") from None
    for name in told:
        if name not in ("name", "steps"):
            raise InvalidRequest(
                f"{path}: {name!r} is unknown: expected name and steps{_meant(name, ('name', 'steps'))}"
            )
    steps = told.get("steps")
    if not isinstance(steps, dict) or not steps or not all(isinstance(step, dict) for step in steps.values()):
        raise InvalidRequest(
            f"{path}: no step: expected [steps.NAME] with split, map, reduce, filter, join, wait or code"
        )
    return _Reading(path, steps).flow(told.get("name", path.stem))


class _Reading:
    def __init__(self, path: Path, steps: Mapping[str, Mapping[str, Any]]) -> None:
        self._path, self._steps = path, steps

    def flow(self, name: object) -> Flow:
        try:
            flow = Flow(name)  # type: ignore[arg-type]
        except InvalidRequest as error:
            raise InvalidRequest(f"{self._path}: {error}") from error
        made: dict[str, Step] = {INPUTS: flow.inputs}
        for step in self._in_order():
            with _Named(self._place(step)):
                made[step] = self._add(flow, step, made)
        return flow

    def _place(self, step: str) -> str:
        return f"{self._path} [steps.{step}]"

    def _in_order(self) -> Iterator[str]:
        """Names of steps, each behind those that it follows."""
        done: set[str] = {INPUTS}

        def visit(name: str, behind: tuple[str, ...]) -> Iterator[str]:
            if name in done:
                return
            if name in behind:
                circle = " → ".join((*behind[behind.index(name) :], name))
                raise InvalidRequest(f"{self._place(name)}: it follows itself ({circle}): expected no cycle")
            for other in self._follows(name):
                yield from visit(other, (*behind, name))
            done.add(name)
            yield name

        for name in self._steps:
            yield from visit(name, ())

    def _follows(self, name: str) -> list[str]:
        verb = self._verb(name)
        if verb == "split" and "function" not in self._steps[name]:
            return [INPUTS]
        # A code step names its function there.
        said = self._steps[name].get("step", INPUTS) if verb == "code" else self._steps[name][verb]
        given = [said] if isinstance(said, str) else said
        if not isinstance(given, list) or not given or not all(isinstance(each, str) for each in given):
            raise InvalidRequest(f"{self._place(name)}: {verb} is {said!r:.80}: expected a step's name, or several")
        for each in given:
            if each != INPUTS and each not in self._steps:
                known = (INPUTS, *self._steps)
                raise InvalidRequest(
                    f"{self._place(name)}: {verb} names {each!r}, which is no step: expected one of "
                    f"{', '.join(known)}{_meant(each, known)}"
                )
        return given

    def _verb(self, name: str) -> str:
        said = [verb for verb in VERBS if verb in self._steps[name]]
        if len(said) != 1:
            found = " and ".join(said) or f"none of them, but {', '.join(self._steps[name]) or 'nothing'}"
            raise InvalidRequest(f"{self._place(name)}: says {found}: expected one of {', '.join(VERBS)}")
        return said[0]

    def _add(self, flow: Flow, name: str, made: Mapping[str, Step]) -> Step:
        verb, said = self._verb(name), dict(self._steps[name])
        value = said.pop(verb)
        if verb == "split" and "function" not in said:
            if "unit" in said and value != INPUTS:
                raise InvalidRequest(
                    f"split is {value!r:.80} with a unit: expected {INPUTS!r}, which is cut into units"
                )
            return flow.split(None if "unit" in said else value, name=name, **said)
        if verb == "split":
            return flow.split(step=[made[each] for each in self._follows(name)], name=name, **said)
        for each in ("prompt", "system"):
            if isinstance(said.get(each), str):
                said[each] = self._text(said[each])
        if isinstance(said.get("schema"), str):
            said["schema"] = self._schema(said["schema"])
        method: Callable[..., Step] = getattr(flow, verb)
        follows = [made[each] for each in self._follows(name)]
        if verb == "code":
            said.pop("step", None)
            return flow.code(value, follows, name=name, **said)
        return method(follows[0] if len(follows) == 1 else follows, name=name, **said)

    def _text(self, said: str) -> str:
        return self._read(said[1:]).strip() if said.startswith("@") else said

    def _schema(self, said: str) -> Mapping[str, Any]:
        try:
            found = json.loads(self._read(said))
        except json.JSONDecodeError as error:
            raise InvalidRequest(f"schema {said}: {error}: expected a JSON schema") from None
        if not isinstance(found, dict):
            raise InvalidRequest(f"schema {said} is no object: expected a JSON schema")
        return found

    def _read(self, name: str) -> str:
        try:
            return (self._path.parent / name).read_text("utf-8")
        except OSError as error:
            raise InvalidRequest(f"{name}: {error.strerror or error}: expected a file beside the flow's") from None
        except UnicodeDecodeError:
            raise InvalidRequest(f"{name} is not UTF-8: save it as UTF-8") from None


class _Named:
    """Puts file and step in front of what is wrong with it."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidRequest):
            raise type(error)(f"{self._place}: {error}") from error
        if isinstance(error, TypeError):
            # As Python says of an argument that is missing or unknown.
            raise InvalidRequest(f"{self._place}: {str(error).partition('() ')[2] or error}") from error


def _meant(name: str, known: tuple[str, ...]) -> str:
    return suggestion(nearest(name, known))
