"""The tables of homa.toml, one frozen record each. An unknown key is refused, so that a typing error is not silent.

What the fleet shares (limits, models, budgets, prices, tenants, retention) is kept in the store in the same shape.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from homa_shared.calls.prompt_templates import VariableType
from homa_shared.model.constants import (
    CONVERSATIONS_KEPT_MS,
    DEAD_LETTERS_KEPT,
    EVENTS_KEPT,
    LEDGER_KEPT_MS,
    RESULTS_KEPT_MS,
    UPLOADS_KEPT_MS,
)
from homa_shared.model.errors import ConfigError
from homa_shared.model.limits import Limits
from homa_shared.settings.values import (
    HttpUrl,
    Kind,
    LocalPath,
    NanoUsd,
    Parameters,
    Positive,
    Seconds,
    WebhookUrl,
    Words,
    Zone,
)

#: Seconds for which an idle connection to a provider is kept: below the 5 s after which many servers close theirs.
KEEP_ALIVE_S = 4.0
#: Most bytes of a reply, before and after decompression: above those of 2048 vectors of 3072 numbers.
REPLY_MAX_BYTES = 128 * 1024 * 1024


class Section(BaseModel):
    """A table of settings: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


class TemplateSettings(Section):
    """`[templates.<name>]`: a prompt template, which `homa apply` stores: another text as the next version."""

    #: The user's text, in which `{{variable}}` is replaced.
    prompt: str
    #: Instructions put in front, likewise.
    system: str | None = None
    #: Types of variables: text, integer, number, boolean, json, or a list of the texts that one may be. Those that are
    #: not named are text.
    variables: dict[str, VariableType] = {}


class LimitSettings(Section):
    """`limits`: quota of a model, or of models that share it. Where none is set, the rate is learned from 429s."""

    #: Requests a minute.
    rpm: Positive | None = None
    #: Tokens a minute, input and output together.
    tpm: Positive | None = None
    #: Input tokens a minute, where a provider counts them by themselves.
    input_tpm: Positive | None = None
    #: Output tokens a minute, where a provider counts them by themselves.
    output_tpm: Positive | None = None
    #: Requests a day.
    rpd: Positive | None = None
    #: Seconds of quota that may be used at once; half a second where nothing is said.
    burst_s: Annotated[float, Field(gt=0, le=60)] | None = None

    @property
    def quota(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in Limits().by_name()})

    @property
    def burst_ms(self) -> int | None:
        return None if self.burst_s is None else max(1, round(self.burst_s * 1000))


class GroupSettings(Section):
    """`[providers.<name>.models."gpt-*"]`: models of a provider that share one quota."""

    #: Quota that these models share.
    limits: LimitSettings = LimitSettings()
    #: What one output token weighs in the quota (Bedrock counts some models' output five times).
    burndown: Annotated[float, Field(ge=1, le=1000)] = 1.0


class ProviderSettings(Section):
    """`[providers.<name>]`: an account at a provider."""

    #: Left out where the name says it.
    kind: Kind
    #: The key. It stays with this process: it is never written to the store.
    api_key: SecretStr | None = None
    #: File whose one line is the key, instead of `api_key`.
    api_key_file: LocalPath | None = None
    #: Endpoint, instead of the kind's own.
    base_url: HttpUrl | None = None
    #: Seconds for one call, connecting and streaming included.
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    #: Seconds for which an idle connection is kept. It has to be less than the server keeps it: a call that is sent as
    #: the server hangs up may have been made or not, and nobody knows which.
    keep_alive_s: Annotated[float, Field(ge=0)] = KEEP_ALIVE_S
    #: Most bytes of a reply, before and after decompression; a longer one fails as reply_too_large.
    reply_max_bytes: Annotated[int, Field(ge=65_536)] = REPLY_MAX_BYTES
    #: Most texts of one embeddings call, where the server takes fewer than its kind usually does.
    embedding_texts: Positive | None = None
    #: Most calls at once in the whole fleet.
    concurrency: Positive | None = None
    #: Quota of each model that no entry of `models` fits.
    limits: LimitSettings = LimitSettings()
    #: Quotas of single models or groups of them, by name or pattern.
    models: dict[str, GroupSettings] = Field(default_factory=dict)
    #: Bedrock's region.
    region: str | None = None
    #: Where the provider's day turns for requests a day; by kind where nothing is said.
    rpd_zone: Zone | None = None
    #: Id of a provider in genai-prices, for a server that bills by another's price list.
    price_list: str | None = None
    #: Tier by which the account serves calls that leave it open, as its own settings there say; auto: any. Bounds of
    #: budgets follow it. Nothing said: standard.
    service_tier: Literal["standard", "flex", "priority", "auto"] | None = None
    #: Where it keeps what it is sent, in a word of yours (`eu`): jobs and tenants with `regions` go by it.
    data_region: str | None = None
    #: What only this kind has; docs/providers.md lists it.
    options: Parameters = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("expected api_key or api_key_file, not both")
        return self

    def key(self) -> str | None:
        """The API key, read from its file if it has one; None where none is set.

        Raises:
            ConfigError: the file cannot be read or is empty.
        """
        if self.api_key_file is None:
            return None if self.api_key is None else self.api_key.get_secret_value()
        try:
            key = self.api_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise ConfigError(
                f"api_key_file {self.api_key_file} cannot be read ({error}): expected one line"
            ) from error
        if not key:
            raise ConfigError(f"api_key_file {self.api_key_file} is empty: expected the key on one line")
        return key


class Price(Section):
    """A price in dollars per million tokens."""

    #: Tokens of the prompt.
    input_nano_usd_per_mtok: NanoUsd = Field(alias="input")
    #: Zero for models that only read, such as embeddings.
    output_nano_usd_per_mtok: NanoUsd = Field(0, alias="output")
    #: Tokens read from the provider's cache; as other input where nothing is said.
    cached_nano_usd_per_mtok: NanoUsd | None = Field(None, alias="cached")
    #: Tokens written to the provider's cache; as other input where nothing is said.
    cache_write_nano_usd_per_mtok: NanoUsd | None = Field(None, alias="cache_write")
    #: Those that the cache keeps for an hour or longer; as other ones written to it where nothing is said.
    cache_write_long_nano_usd_per_mtok: NanoUsd | None = Field(None, alias="cache_write_long")
    #: What is billed beside tokens, dollars for a thousand, by its name in `homa jobs show` (`web_searches`).
    fees: dict[str, NanoUsd] = Field(default_factory=dict)
    #: Prices of other service tiers (`flex`, `priority`, `fast`); without one, what they serve has no price here.
    tiers: dict[str, Price] = Field(default_factory=dict)


class ModelAlias(Section):
    """`[models.<alias>]`: another name for a target, or for a pool of targets."""

    #: `provider:model`, or another alias.
    target: str | None = None
    #: Targets that serve the alias side by side.
    pool: Words = ()
    #: Tried in this order where the first cannot serve.
    fallbacks: Words = ()
    #: The model that an Azure deployment, or another name, stands for: in price lists, and by what it takes.
    model: str | None = None
    #: Instead of the price list's.
    price: Price | None = None
    #: Tokens of prompt and reply together.
    context_window: Positive | None = None
    #: What the model can do (vision, tools, schema, …); nothing said is taken as everything.
    capabilities: Words | None = None
    #: Whether replies may come from the cache when a request does not say.
    cache: bool = False
    #: Whether the prompt cache is told what prompts share; nothing said: where the model is known to have one.
    prompt_cache: bool | None = None
    #: Parameters for requests that do not set them.
    defaults: Parameters = Field(default_factory=dict)

    @model_validator(mode="after")
    def _target_or_pool(self) -> Self:
        if (self.target is None) == (not self.pool):
            raise ValueError('expected either target = "provider:model" or pool = ["provider:model", …]')
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The target, or the pool's."""
        return self.pool if self.target is None else (self.target,)


class Budget(Section):
    """`[budgets.<name>]`: a cap on spending."""

    #: Most that may be spent, in dollars.
    cap_nano_usd: NanoUsd = Field(alias="cap_usd")
    #: When spending is counted from zero again, in UTC; total: never.
    period: Literal["day", "month", "total"] = "total"
    #: What the cap applies to: everything, each tenant (or one), each value of a tag (or one).
    scope: Literal["all", "tenant", "tag"] = "all"
    #: With scope "tenant": only this one.
    tenant: str | None = None
    #: With scope "tag": `team` caps each team by itself, `team=a` only that one.
    tag: str | None = None
    #: What becomes of a job for which nothing is left: fails at once, or waits for the next period or a higher cap.
    on_exceed: Literal["reject", "defer"] = "reject"

    @model_validator(mode="after")
    def _scope_named(self) -> Self:
        if self.scope == "tag" and not self.tag:
            raise ValueError('expected tag = "name" or tag = "name=value" beside scope = "tag"')
        if self.tag and self.scope != "tag":
            raise ValueError(f'expected scope = "tag" beside tag = "{self.tag}"')
        if self.tenant and self.scope != "tenant":
            raise ValueError(f'expected scope = "tenant" beside tenant = "{self.tenant}"')
        return self


class Tenant(Section):
    """`[tenants.<name>]`: a share of the fleet."""

    #: Relative to other tenants' while both have jobs waiting.
    weight: Annotated[int, Field(gt=0, le=1_000_000)] = 1
    #: Its jobs are sent to accounts whose `data_region` is one of these, and no fallback leaves them; empty: to any.
    regions: Words = ()
    #: URL that workers post the ends of its jobs and the completions of its batches to, where these name no other.
    webhook: WebhookUrl | None = None


class Retention(Section):
    """`[retention]`: how long the store keeps what has ended, in seconds or as "7d"."""

    #: Records and replies, from a job's end on.
    results: Annotated[Seconds, Field(gt=0)] = RESULTS_KEPT_MS // 1000
    #: After success; 0 drops a request as soon as its reply is stored. A failed job keeps its request for a retry.
    requests: Seconds = 0
    #: Single lines of the ledger, but no shorter than results, which are found by them. Daily totals are kept for ever.
    ledger: Seconds = LEDGER_KEPT_MS // 1000
    #: Idempotency keys, from their job's end on; as results where nothing is said.
    keys: Seconds | None = None
    #: Media in the blob store whose uploader has not submitted the job yet; what it never submits is deleted then.
    uploads: Annotated[Seconds, Field(ge=60)] = UPLOADS_KEPT_MS // 1000
    #: Conversations, from their last turn on.
    conversations: Annotated[Seconds, Field(gt=0)] = CONVERSATIONS_KEPT_MS // 1000

    @model_validator(mode="after")
    def _keys_outlive_results(self) -> Self:
        if self.keys is not None and self.keys < self.results:
            raise ValueError(f"keys are kept {self.keys} s, results {self.results} s: expected keys no shorter")
        return self

    @property
    def keys_s(self) -> int:
        """Seconds that idempotency keys are kept."""
        return self.results if self.keys is None else self.keys


class Events(Section):
    """`[events]`: what the store keeps of what happened."""

    #: Newest events that are kept. A handler that is further behind misses those before, and is told how many.
    kept: Annotated[int, Field(ge=1000, le=100_000_000)] = EVENTS_KEPT
    #: Names of events that are not written, such as `job.succeeded`: docs/events.md lists them. Nobody is told of them.
    off: Words = ()
    #: Newest dead letters of each event handler that are kept.
    dead: Annotated[int, Field(ge=1, le=10_000_000)] = DEAD_LETTERS_KEPT


class Unresolved(Section):
    """`[unresolved]`: what becomes of an attempt's unknown cost when neither a late reply nor a person resolves it."""

    #: Seconds, or as "24h". Nothing said: until `retention.ledger` ends; it then counts as spent at its bound.
    after: Seconds | None = None
    #: Spent at its bound, or not at all.
    counts_as: Literal["bound", "none"] = Field("bound", alias="as")

    @property
    def fate(self) -> str:
        """What becomes of unresolved cost, for people."""
        if self.after is None:
            return "until then it counts at its upper bound, and as spent when the retention of the ledger ends"
        return f"after {self.after} s it {'counts as spent' if self.counts_as == 'bound' else 'is dropped'}"
