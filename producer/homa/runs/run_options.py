"""What a run was asked to do, beside where its rows come from."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from homa.files import PromptTemplate
from homa.files.citing.schema import INSTRUCTION, VERSION, CitedSchema
from homa.files.identity import READERS_VERSION, OrderDigest
from homa.files.units.unit import Units
from homa.files.writers.earlier_line import INVALID
from homa.runs.document_options import DocumentOptions
from homa_shared.model.money import usd
from homa_shared.model.records import Lane

#: Options of a run that no answer depends on, and those that are parts of their own.
_NOT_ASKED = frozenset(
    {
        "budget_usd", "cache", "content_retries", "deadline_s", "delay_s", "fallbacks", "lane", "max_tokens",
        "on_ambiguous", "on_content_policy", "on_cut", "prompt_cache", "schema", "system", "tags", "template",
        "tenant", "tier",
    }
)  # fmt: skip


def _is_said(value: object) -> bool:
    """Whether an option says something: one that a later release adds must not make another order of the same."""
    return value is not False and value not in (None, {}, (), "")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run that its jobs share."""

    #: Source of the prompt template.
    prompt: str
    #: None only where every row is a line of an OpenAI batch file that names its own.
    model: str | None
    #: Further options of `submit`, as `homa run` was given them.
    given: Mapping[str, Any] = field(default_factory=dict)
    #: Nano-dollars for the whole run, its resumed parts included.
    budget: int | None = None
    #: What all prompts begin with, for the provider's prompt cache; False for no use of it.
    prompt_cache: bool | str | None = None
    #: Answers are to carry the quotes that they rest on.
    cite: bool = False
    #: What of a document is a row.
    units: Units = field(default_factory=Units)

    @classmethod
    def of(
        cls,
        template: PromptTemplate,
        model: str | None,
        given: Mapping[str, Any],
        documents: DocumentOptions,
        retry: Set[str],
        *,
        budget: int | None,
        prompt_cache: bool | str | None,
    ) -> RunOptions:
        """As the command line and Python ask for a run.

        Args:
            template: of the prompts.
            given: options of `submit`, the budget and the prompt cache apart.
            retry: of what an earlier run left, what is done anew (RETRIES).
            prompt_cache: True: what all prompts begin with is kept; False: nothing; or what is.
        """
        # Answers with quotes that were not found would come out of the cache as they were.
        uncached = {"cache": False} if documents.cite and INVALID in retry else {}
        begins = template.parts[0] or None if prompt_cache is True else prompt_cache
        return cls(
            prompt=template.source,
            model=model,
            given={**given, **uncached},
            budget=budget,
            prompt_cache=begins,
            cite=documents.cite,
            units=documents.units,
        )

    @property
    def system(self) -> str | None:
        return self.given.get("system")

    @property
    def lane(self) -> str:
        return str(self.given.get("lane", Lane.BULK))

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON schema of the replies, as the results have them."""
        said = self.given.get("schema")
        if said is None or isinstance(said, Mapping):
            return said
        from homa.submit.response_format import response_format

        schema: Mapping[str, Any] = response_format(said)["json_schema"]["schema"]
        return schema

    @property
    def options(self) -> dict[str, Any]:
        """Options of `submit` that all rows share."""
        said = {"model": self.model, **self.given, **(self._cited() if self.cite else {})}
        return {name: value for name, value in said.items() if value not in (None, {}, (), "")}

    def _cited(self) -> dict[str, Any]:
        """What asks for quotes; a stored template has a system text of its own, and leaves it to the schema."""
        said: dict[str, Any] = {"schema": CitedSchema(self.schema).schema}
        if self.given.get("template") is None:
            said["system"] = "\n\n".join(filter(None, [self.system, INSTRUCTION]))
        return said

    def batch_options(self, name: str, spent: int) -> dict[str, Any]:
        """The same with what is left of the budget.

        Args:
            name: of the batch.
            spent: nano-dollars that earlier parts of this run used, or may have used.
        """
        options = {**self.options, "name": name}
        if self.prompt_cache is not None:
            options["prompt_cache"] = self.prompt_cache
        if self.budget is not None:
            options["budget_usd"] = usd(self.budget - spent)
        return options

    @property
    def order(self) -> OrderDigest:
        """What is asked of all rows, by which a resumed run tells whether answers are to the same question.

        Left out is what says when, for whom, how often and at most how long: an answer that ended by itself is the same
        under any output cap, and one that was cut is done anew by `--retry truncated`.
        """
        parameters = {name: value for name, value in self.given.items() if name not in _NOT_ASKED}
        parameters["cite"] = VERSION if self.cite else None
        template = self.given.get("template")
        return OrderDigest.of(
            {
                "model": self.model,
                # The digest of a row by a stored template is that of its values: what it says stands here.
                "system": self.system if template is None else ["template", template],
                "schema": self.schema,
                "parameters": {name: value for name, value in parameters.items() if _is_said(value)},
                "prompt": [self.prompt, template],
                "readers": [READERS_VERSION, *self.units.asked] if self.units.asked else READERS_VERSION,
            }
        )

    @property
    def digest(self) -> str:
        """Tells whether two runs ask the same: jobs of an earlier run that still wait are then as good as new ones."""
        # Imported late: `homa run --help` needs no hashing.
        import hashlib

        import orjson

        asked = {**self.options, "prompt": self.prompt, "budget": self.budget}
        if "schema" in asked:
            asked["schema"] = self.schema
        if self.units.asked:
            asked["units"] = self.units.asked
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
