"""What a run was asked to do, beside where its rows come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homa_shared.model.money import usd


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run that its jobs share."""

    #: Source of the prompt template.
    prompt: str
    #: None only where every row is a line of an OpenAI batch file that names its own.
    model: str | None
    fallbacks: tuple[str, ...] = ()
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    #: Nano-dollars for the whole run, its resumed parts included.
    budget: int | None = None
    tags: Mapping[str, str] | None = None
    tenant: str = ""
    lane: str = "bulk"
    deadline_s: float | None = None
    cache: bool | None = None
    #: What all prompts begin with, for the provider's prompt cache; False for no use of it.
    prompt_cache: bool | str | None = None
    #: fail or reroute; None as `submit` has it.
    on_content_policy: str | None = None
    #: chat or responses; None as `submit` has it.
    api: str | None = None
    #: JSON schema of the replies.
    schema: Mapping[str, Any] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `submit` that all rows share."""
        given = {
            "model": self.model,
            "fallbacks": self.fallbacks,
            "system": self.system,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "tags": dict(self.tags or {}),
            "tenant": self.tenant,
            "lane": self.lane,
            "deadline_s": self.deadline_s,
            "cache": self.cache,
            "on_content_policy": self.on_content_policy,
            "api": self.api,
            "schema": self.schema,
        }
        return {name: value for name, value in given.items() if value not in (None, {}, (), "")}

    def batch_arguments(self, name: str, spent: int) -> dict[str, Any]:
        """The same with what is left of the budget.

        Args:
            name: of the batch.
            spent: nano-dollars that earlier parts of this run used, or may have used.
        """
        arguments = {**self.arguments, "name": name}
        if self.prompt_cache is not None:
            arguments["prompt_cache"] = self.prompt_cache
        if self.budget is not None:
            arguments["budget_usd"] = usd(self.budget - spent)
        return arguments

    @property
    def digest(self) -> str:
        """Tells whether two runs ask the same: jobs of an earlier run that still wait are then as good as new ones."""
        # Imported late: `homa run --help` needs no hashing.
        import hashlib

        import orjson

        asked = {**self.arguments, "prompt": self.prompt, "budget": self.budget}
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
