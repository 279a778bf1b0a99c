"""Options in OpenAI's names that go to the provider as they are; adapters translate them for other kinds.

Listed for editors and type checkers alone: at run time any further name goes through just the same, and
`provider_options={…}` takes names that are not listed without a type checker's objection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from homa.submit.option_checks import Whole
from homa.submit.option_row import JobOption
from homa.submit.tool_checks import check_response_format

#: The provider's own `metadata`, given in `provider_options`: by name it is the job's.
PROVIDER_METADATA = "provider_options.metadata"


class ProviderOptions(TypedDict, total=False):
    """Of Chat Completions, then of the Responses API alone."""

    audio: Mapping[str, Any] | None
    frequency_penalty: float | None
    function_call: str | Mapping[str, Any] | None
    functions: Sequence[Mapping[str, Any]] | None
    logit_bias: Mapping[str, float] | None
    logprobs: bool | None
    max_completion_tokens: Annotated[int | None, JobOption("Most tokens of an answer.", Whole())]
    modalities: Sequence[str] | None
    n: Annotated[int | None, JobOption("Answers to one prompt, each of them paid.", Whole())]
    parallel_tool_calls: bool | None
    prediction: Mapping[str, Any] | None
    presence_penalty: float | None
    prompt_cache_key: str | None
    reasoning_effort: str | None
    response_format: Annotated[Mapping[str, Any] | None, JobOption("Form of an answer.", check_response_format)]
    safety_identifier: str | None
    seed: int | None
    service_tier: str | None
    stop: str | Sequence[str] | None
    store: bool | None
    stream_options: Mapping[str, Any] | None
    thinking: Mapping[str, Any] | None
    tool_choice: str | Mapping[str, Any] | None
    top_k: int | None
    top_logprobs: int | None
    top_p: float | None
    user: str | None
    verbosity: str | None
    web_search_options: Mapping[str, Any] | None

    context_management: Sequence[Mapping[str, Any]] | None
    conversation: str | Mapping[str, Any] | None
    include: Sequence[str] | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    moderation: Mapping[str, Any] | None
    previous_response_id: str | None
    prompt_cache_options: Mapping[str, Any] | None
    prompt_cache_retention: str | None
    reasoning: Mapping[str, Any] | None
    text: Mapping[str, Any] | None
    truncation: str | None
