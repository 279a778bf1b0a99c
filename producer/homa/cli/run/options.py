"""The options of one `homa run`, and what of them does not go together."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from homa.cli.file_options import schema_file
from homa.cli.input_options import read_options
from homa.cli.job_flags import job_options
from homa.client.worker_demand import AUTO, NONE
from homa.files import PromptTemplate, output_format
from homa.files.readers.allowed import lies_in
from homa.files.remote.address import as_told, is_address
from homa.files.remote.results import checked_address
from homa.files.spelling import Spelling
from homa.files.writers.earlier_line import TRUNCATED
from homa.files.writers.output_format import FLAT
from homa.runs.document_options import DocumentOptions
from homa.runs.inputs import STDIN, RunInputs
from homa.runs.plan import Resumption
from homa.runs.resuming import is_resumed, resumption_of
from homa.runs.run_options import RunOptions
from homa.runs.tally import MaxFailures
from homa.submit.option_row import Command
from homa_shared.calls.prompt_templates import Template
from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True)
class RunRequest:
    """The options of one `homa run`."""

    options: dict[str, Any]
    spelled = Spelling.FLAGS

    def __getattr__(self, name: str) -> Any:
        try:
            return self.options[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.options["inputs"])

    @property
    def model(self) -> str | None:
        model: str | None = self.options["model"]
        return model

    @property
    def template(self) -> str | None:
        """Name of the stored template."""
        name: str | None = self.options["template"]
        return name

    @property
    def max_tokens(self) -> int | None:
        cap: int | None = self.options["max_tokens"]
        return cap

    @property
    def stored(self) -> Template | None:
        """The stored template that --template names, once it is read."""
        found: Template | None = self.options.get("stored")
        return found

    def use(self, stored: Template) -> None:
        """Takes the stored template that --template names: this version, from here on."""
        self.options.update(stored=stored, template=stored.ref)
        for made_before in ("prompt_template", "run_options"):
            self.__dict__.pop(made_before, None)

    @cached_property
    def prompt_template(self) -> PromptTemplate:
        return PromptTemplate.load(self.prompt) if self.stored is None else PromptTemplate.parse(self.stored.prompt)

    @cached_property
    def run_options(self) -> RunOptions:
        return RunOptions.of(
            self.prompt_template,
            self.model,
            job_options(Command.RUN, self.options, "model", "budget_usd", "prompt_cache"),
            self.documents,
            self.resumption.retry,
            budget=self.budget,
            prompt_cache=bool(self.prompt_cache),
        )

    @cached_property
    def documents(self) -> DocumentOptions:
        return DocumentOptions.of(self.options, self.spelled)

    @cached_property
    def run_inputs(self) -> RunInputs:
        return RunInputs(
            tuple(self.inputs),
            read_options(self.options),
            self.id_column,
            self.limit,
            self.sample,
            self.seed,
            self.output,
            within=self.options.get("within"),
            units=self.documents.units,
        )

    def read_only(self, places: tuple[str, ...]) -> None:
        """Keeps a schedule's batch to what its workers' operator lets schedules read.

        Args:
            places: directories, and beginnings of addresses.

        Raises:
            InvalidRequest: an input, or a file that an option names, lies elsewhere.
        """
        self.options["within"] = places
        if (name := next((name for name in self._named_files() if not lies_in(name, places)), None)) is not None:
            raise InvalidRequest(
                f"workers may not read {as_told(name)}: name its directory, or the beginning of its address, in "
                "their setting schedule_inputs"
            )

    def _named_files(self) -> Iterator[str]:
        """As the command has parsed them: a variable of the schedule may stand for any part of an argument."""
        yield from self.inputs
        yield from (text[1:] for text in (self.prompt, self.system) if text is not None and text.startswith("@"))
        schema: str | None = self.options["schema"]
        if schema is not None and (file := schema_file(schema)) is not None:
            yield file

    @property
    def budget(self) -> int | None:
        """Nano-dollars for the whole run."""
        budget: int | None = self.options["budget_usd"]
        return budget

    @property
    def flat(self) -> bool:
        """Whether the results have columns for the rows' fields."""
        return output_format(self.output, self.form) in FLAT

    @property
    def batch_name(self) -> str:
        """Host and file of the results."""
        given = self.output == STDIN or is_address(self.output)
        output = self.output if given else str(Path(self.output).resolve())
        return f"{socket.gethostname()}:{output}"

    @property
    def resumption(self) -> Resumption:
        """What becomes of what an earlier run left."""
        said = resumption_of(self.options, self.spelled, partial=self.run_inputs.partial)
        return replace(said, retry=said.retry | {TRUNCATED}) if self.redo else said

    @property
    def failures_allowed(self) -> MaxFailures | None:
        return None if self.max_failures is None else MaxFailures.parse(self.max_failures)

    def check(self) -> None:
        """Raises InvalidRequest for options that do not go together, and for inputs that lead nowhere."""
        self.options["resume"] = is_resumed(self.options)
        if self.fill is not None:
            # Results stay in the store: no file of this name is one of them.
            self.options["output"] = STDIN
        for option in ("prompt", "system") if self.options["template"] is not None else ():
            if self.options[option] is not None:
                raise InvalidRequest(f"both --template and --{option}: expected one of them")
        if self.as_json and self.output == STDIN and not self.dry_run:
            raise InvalidRequest("--json and --output - both want standard output: expected --output FILE")
        self._check_resuming()
        self._check_leaving()
        if self.detach and self.output == STDIN:
            raise InvalidRequest("--detach with --output -: expected a file, which --resume fills later")
        if self.detach and self.workers not in (AUTO, NONE):
            raise InvalidRequest(f"--detach with --workers {self.workers}: own workers end with this process")
        if is_address(self.output):
            checked_address(self.output, self.form)
        else:
            # Opening it says so, too, which a dry run does not.
            output_format(self.output, self.form)
        self.run_inputs.check()
        _ = self.run_options, self.failures_allowed

    def _check_leaving(self) -> None:
        documents = self.documents
        if self.detach or self.fill is not None:
            documents.refuse_leaving("--detach" if self.detach else "a schedule", self.spelled)

    def _check_resuming(self) -> None:
        if self.detach and self.resume:
            raise InvalidRequest("--detach and --resume: the one leaves, the other collects; expected one of them")
        if self.redo and not self.resume:
            raise InvalidRequest(f"--redo {self.redo} without --resume: expected both, or neither")
        _ = self.resumption
