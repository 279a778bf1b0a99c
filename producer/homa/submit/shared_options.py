"""Rows of the options that jobs of every kind have; those of chat and of embeddings stand in job_options.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

from homa.submit.option_checks import (
    Dollars,
    OneOf,
    Seconds,
    Whole,
    check_fallbacks,
    check_key,
    check_metadata,
    check_moment,
    check_regions,
    check_tags,
    check_tenant,
)
from homa.submit.option_row import ASK, CHATS, EMBED, EVERY, RUN, Flag, JobOption, Part
from homa_shared.model.webhook_urls import checked_webhook


class SharedOptions(TypedDict, total=False):
    """Of jobs of every kind."""

    fallbacks: Annotated[
        Sequence[str] | None,
        JobOption(
            "Models to go on to, in this order, where the first cannot serve.",
            check_fallbacks,
            Part.CLIENT,
            flag=Flag("--fallback", EVERY, "P:M", repeated=True, help="Tried next; may be repeated."),
        ),
    ]
    key: Annotated[
        str | None,
        JobOption("Idempotency key: a second submit with it returns the first one's job.", check_key, Part.APART),
    ]
    budget_usd: Annotated[
        str | int | float | Decimal | None,
        JobOption(
            "Most that the job may cost, over all its attempts; of a batch, that the whole of it may.",
            Dollars(),
            Part.RECORD,
            "job_budget",
            flag=Flag(
                "--budget",
                {
                    RUN: "Most that the run may cost, resumed parts included.",
                    ASK: "Most that the answer may cost.",
                    EMBED: "Most that each job of up to 2000 texts may cost.",
                },
                "USD",
            ),
        ),
    ]
    tags: Annotated[
        Mapping[str, str] | None,
        JobOption(
            "Up to ten names and values, for costs and budgets.",
            check_tags,
            Part.RECORD,
            flag=Flag("--tag", EVERY, "K=V", repeated=True, help="For the cost report; may be repeated."),
        ),
    ]
    metadata: Annotated[
        Mapping[str, Any] | None,
        JobOption(
            "What the job carries for you, up to 4 KiB as JSON: returned with its reply, and never sent to a provider.",
            check_metadata,
            Part.CLIENT,
        ),
    ]
    webhook: Annotated[
        str | None,
        JobOption(
            "URL that workers post the job's end to; of a batch, its completion. Default: the tenant's, if it has one.",
            checked_webhook,
            Part.RECORD,
        ),
    ]
    tenant: Annotated[
        str | None,
        JobOption(
            "On whose behalf: shares, budgets and costs go by it.",
            check_tenant,
            Part.RECORD,
            flag=Flag("--tenant", EVERY),
        ),
    ]
    regions: Annotated[
        Sequence[str] | None,
        JobOption(
            "Send it to accounts in these regions alone (`data_region`); no fallback leaves them. Default: to any.",
            check_regions,
            Part.REQUEST,
            default=(),
            flag=Flag("--region", EVERY, "NAME", repeated=True, help="Accounts there alone; may be repeated."),
        ),
    ]
    lane: Annotated[
        Literal["high", "default", "bulk"] | None,
        JobOption(
            "Order of service: high before default before bulk. Default: default, in a batch bulk.",
            part=Part.RECORD,
            default="default",
            flag=Flag("--lane", EVERY, defaults={RUN: "bulk", ASK: "default", EMBED: "bulk"}, help="Order of service."),
        ),
    ]
    deadline_s: Annotated[
        float | Decimal | None,
        JobOption(
            "Give up after this long.",
            Seconds(0.001),
            Part.CLIENT,
            "deadline_ms",
            flag=Flag("--deadline", EVERY | {RUN: "Jobs not done so long after submission expire."}, "TIME"),
        ),
    ]
    delay_s: Annotated[
        float | Decimal | None,
        JobOption("Start no sooner than this long from now.", Seconds(), Part.CLIENT, "delay_ms"),
    ]
    at: Annotated[
        datetime | None,
        JobOption(
            "Start no sooner than at this time, with a zone; instead of `delay_s`.", check_moment, Part.CLIENT, "at_ms"
        ),
    ]
    tier: Annotated[
        Literal["standard", "flex", "priority", "auto"] | None,
        JobOption(
            "Service tier at the provider; auto leaves it to the account. Default: standard, unless the account says "
            "otherwise.",
            OneOf(("standard", "flex", "priority", "auto"), {"standard": "default"}),
            field="service_tier",
            flag=Flag("--tier", EVERY),
        ),
    ]
    on_content_policy: Annotated[
        Literal["fail", "reroute"] | None,
        JobOption(
            "After a refusal by a provider's content policy: fail (default), or go on to the next fallback.",
            part=Part.RECORD,
            default="fail",
            flag=Flag("--on-content-policy", CHATS),
        ),
    ]
    on_ambiguous: Annotated[
        Literal["retry", "fail"] | None,
        JobOption(
            "When nobody can know whether a call was charged: retry (default), or fail.",
            part=Part.RECORD,
            default="retry",
        ),
    ]
    slack_s: Annotated[
        float | Decimal | None,
        JobOption("Longest wait for one target before the next one is tried.", Seconds(), Part.RECORD, "slack_ms"),
    ]
    max_attempts: Annotated[int | None, JobOption("Most tries over all targets.", Whole(), Part.RECORD, default=6)]
    cache: Annotated[
        bool | None,
        JobOption(
            "Take an equal request's answer. Default: as the alias says.",
            part=Part.CLIENT,
            flag=Flag(
                "--cache/--no-cache",
                {
                    RUN: "Answer equal requests once. Default: as the alias says.",
                    ASK: "",
                    EMBED: "Take kept vectors of equal texts. Default: as the alias says.",
                },
            ),
        ),
    ]
    provider_options: Annotated[
        Mapping[str, Any] | None,
        JobOption("Further options for the provider, as if given by name.", part=Part.APART),
    ]
