"""All options of a job, in one table: an option is a key of a TypedDict, and its row stands in the key's annotation.

Editors and type checkers read the keys and their types: `Homa.submit(**options: Unpack[JobOptions])`. At run time
`rows()` reads the rows; check_options goes by them, and so do the flags of the command line, the lines of a batch and
the list in docs/python.md. A new option is a new key: what it fills in the stored record or request is named by the
row, and nothing in between needs to know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from homa.submit.attachments import Picture
from homa.submit.option_checks import (
    Check,
    Number,
    OneOf,
    Typed,
    Whole,
    YesOrNo,
    check_custom_id,
    check_model,
    check_prompt_cache,
)
from homa.submit.option_row import ASK, CHATS, EMBED, RUN, Flag, JobOption, Part
from homa.submit.provider_options import PROVIDER_METADATA, ProviderOptions
from homa.submit.shared_options import SharedOptions
from homa.submit.tool_checks import check_answer_schema, check_run_tools, check_tools

#: A type or JSON schema for answers.
Schema: TypeAlias = type[Any] | Mapping[str, Any] | None


class ChatOptions(SharedOptions, ProviderOptions, total=False):
    """Of jobs that ask for an answer."""

    template: Annotated[
        str | None,
        JobOption(
            "A stored template (`name`, or `name@version`) instead of a prompt and a system text; of a batch, for "
            "lines that name none themselves.",
            part=Part.APART,
            flag=Flag("--template", {RUN: "A stored template, instead of --prompt.", ASK: ""}, "NAME[@V]"),
        ),
    ]
    values: Annotated[
        Mapping[str, Any] | None,
        JobOption("What the variables of the template stand for.", part=Part.APART),
    ]
    messages: Annotated[
        Sequence[Mapping[str, Any]] | None,
        JobOption("A whole conversation instead of a prompt, in OpenAI's shape.", part=Part.APART),
    ]
    system: Annotated[
        str | None,
        JobOption("Instructions put in front.", part=Part.APART, flag=Flag("--system", CHATS, "TEXT|@FILE")),
    ]
    images: Annotated[
        Sequence[str | Path | bytes | Picture] | None,
        JobOption(
            "Shown with the prompt: URLs, paths, bytes, or images of PIL.",
            part=Part.APART,
            flag=Flag("--image", {ASK: "Shown with the prompt; may be repeated."}, "PATH|URL", repeated=True),
        ),
    ]
    files: Annotated[
        Sequence[str | Path | bytes] | None,
        JobOption(
            "PDF documents, shown with the prompt: paths or bytes.",
            part=Part.APART,
            flag=Flag(
                "--file",
                {ASK: "Its text is put before the prompt; a PDF goes as it is to models that read PDF."},
                "FILE",
                repeated=True,
            ),
        ),
    ]
    max_tokens: Annotated[
        int | None,
        JobOption(
            "Most tokens of an answer, thinking included. Default: the alias's, else 4096, or more where the model "
            "thinks first.",
            Whole(),
            flag=Flag("--max-tokens", CHATS),
        ),
    ]
    temperature: Annotated[
        float | None, JobOption("Sampling temperature.", Number(0, 2), flag=Flag("--temperature", CHATS))
    ]
    tools: Annotated[
        Sequence[Any] | None,
        JobOption(
            "What the model may ask you to run: typed functions, or definitions in OpenAI's shape. Its calls of them "
            "are the reply.",
            check_tools,
        ),
    ]
    run_tools: Annotated[
        Sequence[Any] | None,
        JobOption(
            "Tools that the worker runs itself: functions made tools by `@tool`, or their names. Workers must have "
            "imported them (`homa worker --actors MODULE`).",
            check_run_tools,
            Part.STEPS,
            "tools",
        ),
    ]
    max_steps: Annotated[
        int | None,
        JobOption("Most calls of the model while it asks for such tools.", Whole(), Part.STEPS, default=10),
    ]
    content_retries: Annotated[
        int | None,
        JobOption(
            "How often an answer that does not fit the schema is asked for again.", Whole(0), Part.STEPS, default=2
        ),
    ]
    on_cut: Annotated[
        Literal["keep", "retry", "fail"] | None,
        JobOption(
            "After an answer that was cut at its output cap: keep it (default), ask again with twice the room, up to "
            "three times and to what the model can write, or fail.",
            part=Part.STEPS,
            default="keep",
            flag=Flag("--on-cut", CHATS),
        ),
    ]
    api: Annotated[
        Literal["chat", "responses"] | None,
        JobOption(
            "Which of OpenAI's APIs is asked, at OpenAI and Azure. Default: chat.",
            part=Part.REQUEST,
            default="chat",
            flag=Flag("--api", CHATS),
        ),
    ]
    prompt_cache: Annotated[
        bool | str | None,
        JobOption(
            "What the provider's prompt cache is to keep for other jobs: True for all before the last message, a text "
            "for that and this beginning of the last one, False for nothing. In a batch, what its prompts share is "
            "found where nothing is said.",
            check_prompt_cache,
            Part.CLIENT,
            flag=Flag(
                "--prompt-cache/--no-prompt-cache",
                {RUN: "Let the provider keep what all prompts begin with."},
                defaults={RUN: True},
            ),
        ),
    ]


class JobOptions(ChatOptions, total=False):
    """What `submit` takes by name, beside `prompt`, `model` and `schema`; so do `submit_batch` and `open_batch`."""

    stream: Annotated[
        bool | None,
        JobOption("Write the text to `stream()` as it comes.", part=Part.REQUEST, default=False),
    ]


class EmbeddingOptions(SharedOptions, total=False):
    """What `embed` takes by name, beside `texts`, `model` and `timeout`."""

    dimensions: Annotated[
        int | None,
        JobOption(
            "Width of the vectors, where the model lets one choose.",
            Whole(),
            flag=Flag("--dimensions", {EMBED: ""}),
        ),
    ]
    user: str | None
    encoding_format: str | None


class BatchLine(JobOptions, total=False):
    """All that a line of a batch may say: what `submit` takes, and the line's name."""

    prompt: Annotated[str | None, JobOption("The user's text.", part=Part.APART)]
    model: Annotated[
        str | None,
        JobOption(
            "`provider:model`, or an alias of the fleet's settings.",
            check_model,
            Part.CLIENT,
            flag=Flag(
                "--model",
                {
                    RUN: "Target or alias that answers. Default: what each batch file's line says.",
                    ASK: "Target or alias that answers.",
                    EMBED: "Target or alias that embeds.",
                },
                "P:M",
                required=frozenset({ASK, EMBED}),
            ),
        ),
    ]
    schema: Annotated[
        Schema,
        JobOption(
            "A type (pydantic model, dataclass, TypedDict, `list[…]` of one) or JSON schema that the answer has to "
            "fit; `Reply.parsed` is then its object.",
            check_answer_schema,
            field="response_format",
            flag=Flag(
                "--schema",
                {
                    RUN: "JSON schema of the answers; its fields become columns.",
                    ASK: "JSON schema that the answer has to fit.",
                },
                "FILE",
            ),
        ),
    ]
    custom_id: Annotated[
        str | None, JobOption("Name of a batch's line, which its result has too.", check_custom_id, Part.APART)
    ]


@cache
def rows() -> Mapping[str, JobOption]:
    """Option -> its row, in the table's order; read at first use."""
    hints = get_type_hints(BatchLine, include_extras=True) | get_type_hints(EmbeddingOptions, include_extras=True)
    return MappingProxyType(
        {name: _row(*get_args(hint)) for name, hint in hints.items() if get_origin(hint) is Annotated}
    )


@cache
def passed_on() -> Mapping[str, JobOption]:
    """Options that go to the provider as they are -> a row that knows their type alone."""
    hints = get_type_hints(ProviderOptions, include_extras=True)
    known = {name: JobOption("", Typed(hint)) for name, hint in hints.items() if name not in rows()}
    metadata = JobOption("", Typed(Mapping[str, str] | None), field="metadata")
    return MappingProxyType({**known, PROVIDER_METADATA: metadata})


@cache
def own_names() -> frozenset[str]:
    """Homa's own options: a provider's have no word here that a slip of the pen could be taken for."""
    return frozenset(rows()) - ProviderOptions.__annotations__.keys()


@cache
def known_names() -> frozenset[str]:
    """What a line of a batch may say: Homa's own options, and those of providers that have a name of their own here."""
    return frozenset({*rows(), *passed_on(), "provider_options"})


@cache
def names_apart() -> frozenset[str]:
    """Options that make a request's messages, or name its job."""
    return frozenset(name for name, row in rows().items() if row.part is Part.APART)


def _row(static: Any, row: JobOption) -> JobOption:
    """A row with the check that its static type gives."""
    if row.check is not None or row.part is Part.APART:
        return row
    kinds = get_args(static)
    words = next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), None)
    check: Check = YesOrNo() if words is None else OneOf(words)
    return row._replace(check=check)
