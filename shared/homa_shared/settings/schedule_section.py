"""Schedules that homa.toml has: `homa apply` makes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from homa_shared.settings.sections import Section
from homa_shared.settings.values import NanoUsd, Parameters, Seconds, Zone

#: One target or a list of them: each may have commas in it.
Targets = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
#: Of a command, one by one.
Arguments = Annotated[tuple[str, ...], Field(min_length=1)]


class ScheduleSettings(Section):
    """`[schedules.<name>]`: a request that workers submit again and again, as `homa apply` has made it."""

    #: A cron line of five fields, such as `0 7 * * 1-5`; or else `every_s`, or `at`.
    cron: str | None = None
    #: Time between two ticks, such as `15m`.
    every_s: Seconds | None = None
    #: One moment, such as `2027-01-31T07:00:00`, in `tz` where it has no offset.
    at: datetime | None = None
    #: Zone of the cron line and of the moments in the prompt.
    tz: Zone = "UTC"
    #: What is asked; `{{tick}}`, `{{since}}` and `{{until}}` stand for moments. A stored template asks instead where
    #: `options.template` names one, with `options.values`.
    prompt: str | None = None
    #: A target, or an alias; of a schedule of batches among the arguments.
    model: str | None = None
    #: Instead of prompt, model and options: arguments of `homa run`, such as
    #: `["/data/*.txt", "--prompt", "Classify: {{text}}", "--model", "openai:gpt-6-luna"]`. Each tick makes a batch of
    #: what the inputs are then; relative paths begin at the folder of homa.toml.
    run: Arguments | None = None
    #: Further options of a job, by their names in Python: `options.max_tokens = 500`.
    options: Parameters = {}
    #: Of ticks that came while no worker was awake: one run for all, none, or a run for each.
    missed: Literal["once", "skip", "all"] = "once"
    #: When a tick comes while the run before goes on: skip it, queue it, cancel that run, or allow both.
    overlap: Literal["skip", "queue", "cancel", "allow"] = "skip"
    #: Its work starts up to so long behind each tick.
    jitter_s: Seconds = 0
    #: Most that its runs may cost in a `budget_period`.
    budget_nano_usd: NanoUsd | None = Field(default=None, alias="budget_usd")
    #: When the budget is counted from zero again, in UTC; total: never.
    budget_period: Literal["day", "month", "total"] = "month"
    #: Failed runs in a row behind which it pauses; 0: never.
    pause_after: Annotated[int, Field(ge=0)] = 10
    #: Where what comes out goes: `https://…`, `mailto:name@host`, a directory or bucket (`s3://bucket/digests/`).
    deliver: Targets = ()
    #: No tick fires while this is set.
    paused: bool = False

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        given = [name for name in ("cron", "every_s", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"expected one of cron, every_s and at, got {' and '.join(given) or 'none of them'}")
        if self.run is not None:
            if self.prompt is not None or self.model is not None or self.options:
                raise ValueError("expected prompt, model and options among the arguments of run, not beside it")
            return self
        if (self.prompt is None) == (self.options.get("template") is None):
            raise ValueError("expected one of prompt, options.template and run")
        if self.model is None:
            raise ValueError("expected model, a target or an alias")
        return self
