"""What Python asks of a run over files: the arguments of `Homa.run_files`, checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from homa.files import DEFAULT_PROMPT, PromptTemplate, ReadOptions, output_format
from homa.files.remote.address import is_address
from homa.files.remote.results import checked_address
from homa.files.spelling import Spelling, whole_number, yes_or_no
from homa.files.writers.output_format import FLAT
from homa.runs.document_options import DocumentOptions
from homa.runs.inputs import STDIN, RunInputs
from homa.runs.plan import Resumption
from homa.runs.resuming import is_resumed, resumption_of
from homa.runs.run_options import RunOptions
from homa.runs.tally import MaxFailures
from homa.submit.option_checks import Dollars
from homa.submit.options import spread
from homa_shared.calls.prompt_templates import Template
from homa_shared.model.errors import InvalidRequest

#: Options of `submit` that have no place in a run.
_NOT_HERE = frozenset({"key", "messages", "images", "files", "custom_id", "values", "stream", "name", "metadata"})
_READING = frozenset(each.name for each in fields(ReadOptions)) - {"id_column", "deadline_s", "plugins"}
_RUN = frozenset(
    "cite unit chunk_tokens overlap long window format resume changed prune retry force max_failures id_column limit "
    "sample sample_seed".split()
)

#: What they have to be, where the command line has a type for each: numbers with the least that they may be.
_WHOLE = {"limit": 1, "sample": 1, "sample_seed": None, "skip_rows": 0}
_FLAGS = ("resume", "changed", "prune", "force", "raw")
_TEXTS = ("format", "id_column", "encoding", "input_format", "delimiter", "query", "pages", "sheets")


@dataclass
class FilesOrder:
    """One run as Python asked for it.

    Args:
        output: where results go; None: to whoever iterates.
    """

    inputs: tuple[str, ...]
    model: str | None
    prompt: str | None
    output: str | None
    #: Options of `submit` that all rows share.
    given: Mapping[str, Any]
    #: Of _RUN.
    asked: Mapping[str, Any]
    read: ReadOptions
    run_inputs: RunInputs
    documents: DocumentOptions
    spelled = Spelling.ARGUMENTS
    stored: Template | None = None
    _template: str | None = field(default=None)

    @classmethod
    def of(cls, inputs: object, output: object, options: Mapping[str, Any]) -> FilesOrder:
        """From the arguments.

        Raises:
            InvalidRequest: one is wrong, or they do not go together.
        """
        said = {name: value for name, value in spread(options).items() if value is not None}
        for name in _NOT_HERE & said.keys():
            raise InvalidRequest(f"{name} has no place in run_files: expected a prompt for all files, see submit_batch")
        names, place = _paths(inputs), None if output is None else _path("output", output)
        asked = {name: said.pop(name) for name in _RUN if name in said}
        read = ReadOptions(**{name: said.pop(name) for name in _READING if name in said})
        _check_types({**asked, **{name: getattr(read, name) for name in _READING}}, cls.spelled)
        model, prompt = said.pop("model", None), said.pop("prompt", None)
        documents = DocumentOptions.of(asked, cls.spelled)
        made = RunInputs(
            names,
            read,
            asked.get("id_column"),
            asked.get("limit"),
            asked.get("sample"),
            asked.get("sample_seed", 0),
            place or STDIN,
            units=documents.units,
        )
        found = cls(names, model, prompt, place, said, asked, read, made, documents, _template=said.get("template"))
        found._check()
        return found

    def _check(self) -> None:
        if STDIN in self.inputs:
            raise InvalidRequest("inputs has '-': expected files, folders, globs or addresses")
        if self.prompt is not None and self.template is not None:
            raise InvalidRequest("both prompt and template: expected one of them")
        if self.output in (STDIN, ""):
            raise InvalidRequest(f"output is {self.output!r}: expected a path or an address; leave it out to iterate")
        if self.output is None and (
            wrong := self.asked.keys() & {"resume", "changed", "prune", "retry", "force", "format"}
        ):
            raise InvalidRequest(
                f"{min(wrong)} without output: there is nothing to go on with; expected both, or neither"
            )
        if self.output is not None and is_address(self.output):
            checked_address(self.output, self.form)
        _ = self.resumption, self.failures_allowed, self.prompt_template, self.budget
        self.run_inputs.check()

    @property
    def template(self) -> str | None:
        return self._template

    def use(self, stored: Template) -> None:
        self.stored = stored
        self._template = stored.ref
        self.given = {**self.given, "template": stored.ref}

    @property
    def prompt_template(self) -> PromptTemplate:
        if self.stored is not None:
            return PromptTemplate.parse(self.stored.prompt)
        if self.prompt is not None and not isinstance(self.prompt, str):
            raise InvalidRequest(f"prompt is {self.prompt!r:.80}: expected a text with {{{{name}}}} for fields")
        return PromptTemplate.parse(DEFAULT_PROMPT if self.prompt is None else self.prompt)

    @property
    def run_options(self) -> RunOptions:
        apart = ("budget_usd", "prompt_cache")
        return RunOptions.of(
            self.prompt_template,
            self.model,
            {name: value for name, value in self.given.items() if name not in apart},
            self.documents,
            self.resumption.retry,
            budget=self.budget,
            prompt_cache=self.given.get("prompt_cache", True),
        )

    @property
    def max_tokens(self) -> int | None:
        cap: int | None = self.given.get("max_tokens")
        return cap

    @property
    def schema(self) -> Any:
        return self.given.get("schema")

    @property
    def budget(self) -> int | None:
        said = self.given.get("budget_usd")
        return None if said is None else Dollars()("budget_usd", said)

    @property
    def form(self) -> str | None:
        form: str | None = self.asked.get("format")
        return form

    @property
    def flat(self) -> bool:
        """Whether the results repeat the rows' columns."""
        return self.output is None or output_format(self.output, self.form) in FLAT

    @property
    def resume(self) -> bool:
        return is_resumed(self.asked)

    @property
    def force(self) -> bool:
        return bool(self.asked.get("force"))

    @property
    def resumption(self) -> Resumption:
        return resumption_of(self.asked, self.spelled, partial=self.run_inputs.partial)

    @property
    def failures_allowed(self) -> MaxFailures | None:
        said = self.asked.get("max_failures")
        return None if said is None else MaxFailures.parse(str(said), self.spelled)


def _check_types(given: Mapping[str, Any], spelled: Spelling) -> None:
    for name, least in _WHOLE.items():
        whole_number(given, name, least, spelled)
    for name in _FLAGS:
        yes_or_no(given, name, spelled)
    for name in _TEXTS:
        if given.get(name) is not None and not isinstance(given[name], str):
            raise InvalidRequest(f"{spelled.is_wrong(name, given[name])}: expected text")


def _paths(inputs: object) -> tuple[str, ...]:
    if isinstance(inputs, str | os.PathLike):
        return (_path("inputs", inputs),)
    if isinstance(inputs, Mapping) or not isinstance(inputs, Iterable):
        raise InvalidRequest(f"inputs is {inputs!r:.80}: expected a path, an address, or a list of these")
    return tuple(_path("inputs", each) for each in inputs)


def _path(name: str, given: object) -> str:
    if not isinstance(given, str | os.PathLike):
        raise InvalidRequest(f"{name} is {given!r:.80}: expected a path or an address; rows in memory go to homa.map")
    found = os.fspath(given)
    if not isinstance(found, str):
        raise InvalidRequest(f"{name} is {given!r:.80}: expected a path as text")
    return found
