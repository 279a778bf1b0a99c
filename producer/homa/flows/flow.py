"""`Flow`: steps over items, each a job like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

from homa.flows.checks import follows_of, items_of
from homa.flows.parts import check_goes_with, check_split_by, unit_of
from homa.flows.rules import check_parameters, checked_rule, checks_of, function_of
from homa.flows.step_adding import MOST_STEPS, Steps
from homa.flows.steps import Step
from homa.flows.waiting import DAY_S, wait_of
from homa.submit.job_options import JobOptions, Schema
from homa_shared.calls.tools import Tool
from homa_shared.model.errors import InvalidRequest

__all__ = ["MOST_STEPS", "MOST_WIDTH", "Flow"]

#: Most answers that one call of a reduce may be given.
MOST_WIDTH = 200


class Flow(Steps):
    """Steps over items: each step is done for each item, and its jobs start once what they follow has ended.

    Args:
        name: for people.

    Raises:
        InvalidRequest: it is no name.
    """

    def split(
        self,
        parts: str | None = None,
        *,
        unit: Literal["document", "page", "section", "chunk"] | None = None,
        tokens: int | None = None,
        overlap: int | None = None,
        function: Tool[..., Any] | str | None = None,
        step: Step | Sequence[Step] | None = None,
        name: str | None = None,
        on: str | None = None,
        version: str | None = None,
    ) -> Step:
        """Parts of each input, which later steps are done for one by one.

        They are a field of the input; or units of its text, cut where it is put in, each with `text`, `unit`, `file`,
        `page`, `start`, `end` and `heading`; or what a function returns on the workers, a list of texts or objects,
        which has to be the same for the same input.

        Args:
            parts: the field of an input that has them: a list of texts, or of objects. Default: `parts`.
            unit: what each part is.
            tokens: most of a chunk, 4000 by default; counted as for the model that reads it.
            overlap: tokens that a chunk repeats of the one before.
            function: made by `@homa.tool`, or the name of one that the workers have; as `code`.
            step: of a function: what it follows, steps that are done for each input; None: the inputs.
            name: of the step, for prompts and progress; None: that of the field or function, `pages`, `sections`, ….
            on, version: of a function, as `code`.

        Raises:
            InvalidRequest: the name is wrong or taken, arguments do not go together, or as `code`.
        """
        check_split_by(parts, unit, function)
        check_goes_with("unit", unit, tokens=tokens, overlap=overlap)
        check_goes_with("function", function, step=step, on=on, version=version)
        if unit is not None:
            made = unit_of(unit, tokens, overlap)
            return self._add("source", name or f"{unit}s", (self.inputs,), apart=True, **made)
        if function is None:
            return self._add("source", name or parts or "parts", (self.inputs,), parts=parts or "parts", apart=True)
        follows = follows_of(self.steps, (self.inputs,) if step is None else step)
        if items_of(follows[0]) is not self.inputs:
            raise InvalidRequest("a split follows steps that are done for each input: expected such steps")
        name = function_of(function)[0] if name is None else name
        splitter = self.code(function, follows, name=f"{name}_split", on=on, version=version, _splits=name)
        return self._add("source", name, (splitter,), apart=True)

    def map(
        self,
        step: Step | Sequence[Step] | None = None,
        *,
        prompt: str,
        model: str,
        name: str | None = None,
        schema: Schema = None,
        check: Mapping[str, Any] | None = None,
        repair: int | None = None,
        escalate: str | Sequence[str] = (),
        **options: Unpack[JobOptions],
    ) -> Step:
        """One answer for each item or answer of the step that it follows.

        Args:
            step: what it follows; None: the inputs. Of several, all must have ended for an item.
            prompt: names fields of items and answers: `{{text}}`, `{{answer}}`, `{{total}}`, `{{facts.total}}`.
            model: `provider:model`, or an alias of the fleet's settings.
            name: of the step; the prompts of steps behind it may name it.
            schema: a type or JSON schema for the answers.
            check: what an answer must fit beside its schema, as JSON: fields and their values, or a JSON schema.
            repair: most times that an answer which does not fit is asked for again, with what is wrong; default 2.
            escalate: models that are asked, in this order, where no repair helped.
            options: as `Homa.submit`; placeholders are filled in `system`, too.

        Raises:
            InvalidRequest: an option is wrong, a step is another flow's, or the prompt names what is not there.
        """
        follows = follows_of(self.steps, (self.inputs,) if step is None else step)
        asked = {"model": model, **options}
        checks = checks_of(check, repair, escalate, asked)
        return self._add("map", name, follows, prompt, schema, asked, **checks)

    def reduce(
        self,
        step: Step | None = None,
        *,
        prompt: str,
        model: str,
        name: str | None = None,
        schema: Schema = None,
        fan_in: int = 20,
        on_failure: Literal["skip", "fail"] = "skip",
        check: Mapping[str, Any] | None = None,
        repair: int | None = None,
        escalate: str | Sequence[str] = (),
        **options: Unpack[JobOptions],
    ) -> Step:
        """One answer of many: of all parts of an input, or of all inputs, in their order.

        More answers than `fan_in` are reduced in a tree: the same prompt is asked of their answers again.

        Args:
            step: whose answers or items; None: the inputs.
            prompt: names `{{items}}`, and may name `{{missing}}`, how many answers failed.
            fan_in: most of them that one call is given, 2 to 200.
            on_failure: what becomes of an answer that failed: skip it, or fail with it.
            model, name, schema, check, repair, escalate, options: as `map`.

        Raises:
            InvalidRequest: as `map`; or there is nothing to bring together.
        """
        follows = follows_of(self.steps, (self.inputs,) if step is None else step)
        if len(follows) != 1 or (follows[0].over is None and follows[0].kind != "source"):
            raise InvalidRequest("a reduce follows one step that is done for many items: expected such a step")
        if type(fan_in) is not int or not 2 <= fan_in <= MOST_WIDTH:
            raise InvalidRequest(f"fan_in is {fan_in!r:.80}: expected a whole number from 2 to {MOST_WIDTH}")
        if on_failure not in ("skip", "fail"):
            raise InvalidRequest(f"on_failure is {on_failure!r:.80}: expected skip or fail")
        asked = {"model": model, **options}
        checks = checks_of(check, repair, escalate, asked)
        made = {"width": fan_in, "on_failure": on_failure, **checks}
        return self._add("reduce", name, follows, prompt, schema, asked, **made)

    def code(
        self,
        function: Tool[..., Any] | str,
        step: Step | Sequence[Step] | None = None,
        *,
        name: str | None = None,
        on: str | None = None,
        version: str | None = None,
        schema: Schema = None,
        _splits: str = "",
    ) -> Step:
        """The result of a function for each item or answer, on the workers (`homa worker --actors MODULE`).

        Its parameters are filled by their names with what a prompt might name; its result, as JSON or text, is the
        answer. It costs nothing. A worker that is lost while it runs leaves it to be run again: it should do no more
        when it is run twice.

        Args:
            function: made by `@homa.tool`, or the name of one that the workers have.
            step: as `map`.
            name: of the step.
            on: a model whose provider's workers run it; None: that of the flow's first step with a model.
            version: another one where the function does something else; None: its source tells, where it is given.
            schema: of its results, for prompts behind it.

        Raises:
            InvalidRequest: a parameter is nothing that the steps before have.
        """
        follows = follows_of(self.steps, (self.inputs,) if step is None else step)
        called, source = function_of(function)
        asked = {} if on is None else {"model": on}
        code: dict[str, Any] = {"code": called, "code_version": version or source, "splits": _splits}
        made = self._add("code", name, follows, "-", schema, asked, **code)
        if isinstance(function, Tool):
            check_parameters(f"step {made.name}", made, function.parameters)
        return made

    def wait(
        self,
        step: Step | Sequence[Step] | None = None,
        *,
        prompt: str,
        name: str | None = None,
        schema: Schema = None,
        expires_s: float = DAY_S,
        default: Any = None,
        on: str | None = None,
    ) -> Step:
        """An answer from outside for each item or answer: a person or a webhook is asked, and answers by a token.

        Args:
            step: as `map`.
            prompt: what whoever answers is shown; it may name what a prompt may.
            name: of the step.
            schema: a type or JSON schema that answers must fit.
            expires_s: seconds within which it is to be answered, at most 30 days.
            default: what is answered when nobody has; None: its item fails.
            on: a model whose provider's workers ask; None: that of the flow's first step with a model.

        Raises:
            InvalidRequest: as `map`; or the default does not fit the schema.
        """
        follows = follows_of(self.steps, (self.inputs,) if step is None else step)
        waits = wait_of(expires_s, default, schema)
        return self._add("wait", name, follows, prompt, schema, {} if on is None else {"model": on}, wait=waits)

    def filter(self, step: Step, where: Mapping[str, Any], *, name: str | None = None) -> Step:
        """The answers of a step that fit a rule; steps behind it are not done for the others.

        Args:
            step: whose answers.
            where: fields and their values, `{"kind": "invoice", "total": {"minimum": 1000}}`, or a JSON schema; an
                answer that is no JSON is a text.
            name: of the step.

        Raises:
            InvalidRequest: the rule is no JSON schema, or the step has no answers.
        """
        follows = follows_of(self.steps, step)
        if follows[0].kind == "source":
            raise InvalidRequest(f"a filter follows {follows[0].name}, whose items have no answers: filter the inputs")
        return self._add("filter", name, follows, rule=checked_rule("where", where))

    def branch(
        self, step: Step, cases: Mapping[str, Mapping[str, Any]], *, otherwise: str | None = None
    ) -> dict[str, Step]:
        """Filters side by side, by their names.

        Args:
            step: whose answers.
            cases: name of a filter -> its rule, as `filter`.
            otherwise: name of a filter of what no case takes; None: that goes nowhere.

        Raises:
            InvalidRequest: as `filter`.
        """
        if not cases or not isinstance(cases, Mapping):
            raise InvalidRequest(f"cases is {cases!r:.80}: expected names and rules")
        rules = {name: checked_rule(f"cases[{name!r}]", rule) for name, rule in cases.items()}
        found = {name: self.filter(step, rule, name=name) for name, rule in rules.items()}
        if otherwise is not None:
            rest = {"not": {"anyOf": list(rules.values())}}
            found[otherwise] = self.filter(step, rest, name=otherwise)
        return found

    def join(self, steps: Sequence[Step], *, name: str | None = None) -> Step:
        """The answer of the first of several steps that has one, once all have ended for an item.

        Raises:
            InvalidRequest: they are not two steps with answers at least.
        """
        follows = follows_of(self.steps, steps)
        if len(follows) < 2 or any(step.kind == "source" for step in follows):
            raise InvalidRequest("a join follows two steps with answers at least: expected such steps")
        return self._add("join", name, follows)

    def __repr__(self) -> str:
        return f"<Flow {self.name}: {', '.join(step.name for step in self.steps)}>"
