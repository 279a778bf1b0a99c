"""The options of one `homa run`, and what of them does not go together."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from homa.cli.file_options import schema_of
from homa.cli.option_types import tags_of
from homa.client.worker_demand import AUTO, NONE
from homa.files import OutputFormat, PromptTemplate, output_format, read_argument
from homa.runs.inputs import STDIN, RunInputs
from homa.runs.run_options import RunOptions
from homa.runs.tally import MaxFailures
from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True)
class RunRequest:
    """The options of one `homa run`."""

    options: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.options[name]
        except KeyError:
            raise AttributeError(name) from None

    @cached_property
    def template(self) -> PromptTemplate:
        return PromptTemplate.load(self.prompt)

    @cached_property
    def run_options(self) -> RunOptions:
        return RunOptions(
            prompt=self.template.source,
            model=self.model,
            fallbacks=tuple(self.fallbacks),
            system=None if self.system is None else read_argument(self.system, "--system"),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            budget=self.budget,
            tags=tags_of(self.tags),
            tenant=self.tenant,
            lane=self.lane,
            deadline_s=self.deadline,
            cache=self.cache,
            prompt_cache=(self.template.parts[0] or None) if self.prompt_cache else False,
            on_content_policy=self.on_content_policy,
            api=self.api,
            schema=schema_of(self.schema),
        )

    @cached_property
    def run_inputs(self) -> RunInputs:
        return RunInputs(tuple(self.inputs), self.encoding, self.id_column, self.limit, self.sample, self.seed)

    @property
    def flat(self) -> bool:
        """Whether the results have columns for the rows' fields."""
        return output_format(self.output, self.form) is not OutputFormat.JSONL

    @property
    def batch_name(self) -> str:
        """Host and file of the results."""
        output = self.output if self.output == STDIN else str(Path(self.output).resolve())
        return f"{socket.gethostname()}:{output}"

    @property
    def failures_allowed(self) -> MaxFailures | None:
        return None if self.max_failures is None else MaxFailures.parse(self.max_failures)

    def check(self) -> None:
        """Raises InvalidRequest for options that do not go together, and for inputs that lead nowhere."""
        if self.as_json and self.output == STDIN and not self.dry_run:
            raise InvalidRequest("--json and --output - both want standard output: expected --output FILE")
        if self.detach and self.resume:
            raise InvalidRequest("--detach and --resume: the one leaves, the other collects; expected one of them")
        if self.detach and self.output == STDIN:
            raise InvalidRequest("--detach with --output -: expected a file, which --resume fills later")
        if self.detach and self.workers not in (AUTO, NONE):
            raise InvalidRequest(f"--detach with --workers {self.workers}: own workers end with this process")
        self.run_inputs.check()
        _ = self.run_options, self.failures_allowed
