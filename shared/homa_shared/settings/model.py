"""The settings of one process, read once at its start and passed in from there.

Environment over homa.toml over defaults; arguments (command line options) stand above all. Every value knows where it
came from, so that a wrong one can be found and `homa config show` can explain a right one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from homa_shared.kinds.registry import builtin_kinds, is_kind, package_of
from homa_shared.model.constants import LEASE_MS, SETTLE_GATHER_MS
from homa_shared.model.errors import ConfigError, UnknownModel
from homa_shared.plugins import Policy
from homa_shared.settings.delivery_section import Mail, SignedFor, SigningSecrets
from homa_shared.settings.event_names import refuse_unknown_events
from homa_shared.settings.explain import explain, masked
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.home import default_directory
from homa_shared.settings.published import account_of
from homa_shared.settings.schedule_section import ScheduleSettings
from homa_shared.settings.sections import (
    Budget,
    Events,
    ModelAlias,
    Price,
    ProviderSettings,
    Retention,
    TemplateSettings,
    Tenant,
    Unresolved,
)
from homa_shared.settings.sources import Gathered, gather
from homa_shared.settings.store_file import read_store_file
from homa_shared.settings.toml_lines import SettingPath, dotted
from homa_shared.settings.values import BlobsUrl, BlobsUrls, LocalPath, Name, ReadPlaces, Share, StoreUrl, Words

#: Shown as the origin of what nobody set.
DEFAULT = "default"


class Settings(BaseSettings):
    """Everything that a process is told. Made by `load_settings`; frozen."""

    model_config = SettingsConfigDict(
        env_prefix="HOMA_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    #: Prefix and hash tag of all keys: one fleet, one cell.
    namespace: Name = "homa"
    #: None starts or joins the embedded store in `home`.
    redis_url: Annotated[StoreUrl | None, Field(repr=False)] = None
    #: File whose one line is that URL, as secrets are mounted; `redis_url` wins.
    redis_url_file: LocalPath | None = None
    #: Directory of the embedded store and of local files.
    home: LocalPath
    #: Where media and large requests live: a directory, or a bucket by URL. None: beside an embedded store a directory
    #: in its home, else the store itself.
    blobs: BlobsUrl | None = None
    #: Requests and replies above so many bytes go there, too.
    blobs_above: Annotated[int, Field(ge=1024)] = 65_536
    #: Accounts at providers, by name. A worker needs those it serves; a producer needs none.
    providers: dict[Name, ProviderSettings] = {}
    #: Aliases: other names for targets, with fallbacks and defaults.
    models: dict[Name, ModelAlias] = {}
    #: Caps on spending, by name.
    budgets: dict[Name, Budget] = {}
    #: Dollars per million tokens by target, instead of the price list's; patterns such as `ollama:*` are allowed.
    prices: dict[str, Price] = {}
    #: Shares of the fleet, by tenant.
    tenants: dict[str, Tenant] = {}
    #: Prompt templates that `homa apply` stores, by name.
    templates: dict[str, TemplateSettings] = {}
    #: Schedules that `homa apply` makes, by name.
    schedules: dict[Name, ScheduleSettings] = {}
    #: Signs webhooks, as Standard Webhooks says: `whsec_` and base64 of 24 to 64 bytes. Several, up to four, sign side
    #: by side, so that receivers may change from one to the next. Without one they go unsigned.
    deliver_secret: SigningSecrets = ()
    #: The same for a tenant, by its name, or for an endpoint, by the beginning of its URL; the longest beginning goes
    #: before the tenant, and both before `deliver_secret`.
    deliver_secrets: dict[SignedFor, Annotated[SigningSecrets, Field(min_length=1)]] = {}
    #: Webhooks may go to private, loopback and link-local addresses, too.
    deliver_private: bool = False
    #: Directories and buckets under which workers write what schedules deliver; with none, only beside an embedded
    #: store, and anywhere.
    deliver_files: BlobsUrls = ()
    #: Directories, and beginnings of addresses, under which workers read inputs of schedules' batches; with none, only
    #: beside an embedded store, and anywhere.
    schedule_inputs: ReadPlaces = ()
    #: The server through which workers send mail.
    mail: Mail = Mail()
    #: Seal requests, replies and all else that holds content, before it goes to the store: keys as `id:` and base64 of
    #: 32 bytes, blanks between them. The first seals, all open.
    encryption_keys: Annotated[SecretStr | None, Field(repr=False)] = None
    #: File with such keys instead, read again when it changes.
    encryption_keys_file: LocalPath | None = None
    #: Nothing is accepted that is not sealed, and a worker without keys gets nothing to do: for the whole fleet, from
    #: `homa apply` on.
    encryption_required: bool = False
    #: How long what has ended is kept.
    retention: Retention = Retention()
    #: What becomes of cost that nobody knows.
    unresolved: Unresolved = Unresolved()
    #: What the store keeps of what happened.
    events: Events = Events()
    #: Whether providers' prompt caches are told what the prompts of a batch share.
    prompt_cache: bool = True
    #: Seconds after which the work of a silent worker is given to another.
    lease_s: Annotated[int, Field(ge=3, le=86_400)] = LEASE_MS // 1000
    #: Milliseconds for which a worker's good reply waits for others, to be stored with them; 0: each at once. One that
    #: arrives while nothing else is in flight never waits.
    settle_gather_ms: Annotated[int, Field(ge=0, le=1000)] = SETTLE_GATHER_MS
    #: Most lines of a batch file that are jobs at once: the others wait in the file, whatever its size.
    batch_window: Annotated[int, Field(ge=1)] = 20_000
    #: Seconds after which a submission is given up at a store that does not answer.
    submit_timeout_s: Annotated[float, Field(ge=0.1, le=30)] = 30
    #: What becomes of a plugin that is broken: it is left out with a warning, or ends the process that wanted it. none:
    #: no plugin is loaded, whatever is installed.
    plugins: Policy = "skip"
    #: Workers report errors there. SENTRY_DSN says the same.
    sentry_dsn: SecretStr | None = None
    #: Least severity that workers log.
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(lambda level: str(level).lower())
    ] = "info"
    #: Workers log at debug, a line a call, and whole tracebacks, whose words may quote a prompt; commands show theirs.
    debug: bool = False
    #: auto: console on a terminal, else JSON Lines.
    log_format: Literal["auto", "console", "json"] = "auto"
    #: Share of jobs whose requests and replies workers log, redacted, a line a call. Which jobs these are goes by their
    #: ids, so that all attempts of one are logged or none.
    log_bodies: Share = 0.0
    #: What is hidden in logged bodies beside keys and passwords: `email`, `card`, `iban`, `phone`, `ip`, or patterns of
    #: RE2. One with a comma in it takes a list.
    log_redact: Words = ("email", "card", "iban", "phone")

    #: Share of jobs whose spans go to an OpenTelemetry collector. A job that is submitted within a trace of its
    #: application's is traced as that is. 0: none, and nothing of OpenTelemetry is loaded.
    traces: Share = 0.0
    #: Port at which a worker serves its metrics and probes: `/metrics`, `/livez`, `/readyz`; 0: any free one. Each
    #: process needs one of its own. None: none is served.
    metrics_port: Annotated[int | None, Field(ge=0, le=65_535)] = None
    #: Address at which they are served: 0.0.0.0 where another machine scrapes.
    metrics_host: str = "127.0.0.1"

    _gathered: Gathered = PrivateAttr(default_factory=Gathered)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller should tell on stderr, such as HOMA_ variables that are not settings."""
        return tuple(self._gathered.warnings)

    @property
    def config_file(self) -> Path | None:
        """The homa.toml that was read."""
        return self._gathered.config_file

    def fleet(self) -> Fleet:
        """The part that all processes share, without keys and addresses with credentials."""
        return Fleet(
            providers={name: account_of(provider) for name, provider in self.providers.items()},
            models=self.models,
            budgets=self.budgets,
            prices=self.prices,
            tenants=self.tenants,
            retention=self.retention,
            unresolved=self.unresolved,
            events=self.events,
            prompt_cache=self.prompt_cache,
            encryption_required=self.encryption_required,
        )

    def origin(self, path: SettingPath) -> str:
        """Where a setting came from: a variable, file:line, an argument, or `default`."""
        return self._gathered.origins.get(path, DEFAULT)

    def gathered_from(self, gathered: Gathered) -> Settings:
        """These settings, knowing their sources."""
        self._gathered = gathered
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: `load_settings` gathers the sources, since it needs the origin of each value."""
        return (init_settings,)


class SettingOrigin(NamedTuple):
    """A setting as `homa config show` prints it."""

    name: str
    value: str
    origin: str


def load_settings(
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings of this process.

    Args:
        env: variables; the process's own where nothing is given.
        cwd: where the search for homa.toml begins; the working directory where nothing is given.
        overrides: settings from the command line or from code, nested as in homa.toml; None values are left out.

    Raises:
        ConfigError: a setting is wrong or unknown, or the file cannot be read; the message names the setting, its
            value, its origin and what was expected.
    """
    variables = os.environ if env is None else env
    gathered = gather(Settings, variables, (cwd or Path.cwd()).absolute(), overrides)
    tree = gathered.tree()
    tree.setdefault("home", default_directory(gathered.config_file, variables))
    _name_kinds(tree)
    read_store_file(tree, gathered)
    try:
        settings = Settings(**tree)
    except ValidationError as error:
        raise ConfigError(explain(error, Settings, gathered)) from None
    _refuse_loops(settings, gathered)
    _refuse_plugged_kinds(settings, gathered)
    refuse_unknown_events(settings.events.off, gathered.origin(("events", "off")))
    return settings.gathered_from(gathered)


def origins(settings: Settings) -> list[SettingOrigin]:
    """Every setting with its value, secrets masked, and its origin (variable, file:line, argument or default)."""
    tree = settings.model_dump(mode="json", by_alias=True)
    return [
        SettingOrigin(dotted(path), _shown(masked(path, value)), settings.origin(path)) for path, value in _leaves(tree)
    ]


def _name_kinds(tree: dict[str, Any]) -> None:
    """A provider that has the name of a kind is of that kind unless it says otherwise."""
    providers = tree.get("providers")
    for name, provider in providers.items() if isinstance(providers, dict) else ():
        if isinstance(provider, dict) and "kind" not in provider and is_kind(name):
            provider["kind"] = name


def _refuse_loops(settings: Settings, gathered: Gathered) -> None:
    # A producer may not know the providers, so that only the aliases themselves are followed here.
    fleet = settings.fleet()
    for alias in settings.models:
        try:
            fleet.follow(alias)
            pool = fleet.pool(alias)
            if pool is not None and str(pool) in settings.providers:
                raise UnknownModel(f"its queue {pool} is that of a provider: expected another name for one of them")
        except UnknownModel as error:
            raise ConfigError(f"models.{alias} ({gathered.origin(('models', alias))}): {error}") from None


def _refuse_plugged_kinds(settings: Settings, gathered: Gathered) -> None:
    if settings.plugins != "none":
        return
    for name, provider in settings.providers.items():
        if provider.kind not in builtin_kinds():
            origin = gathered.origin(("providers", name, "kind"))
            raise ConfigError(
                f"providers.{name}.kind ({origin}) is {provider.kind!r}, which the plugin {package_of(provider.kind)} "
                f'brings, and plugins = "none" ({gathered.origin(("plugins",))}) loads none: expected one of '
                f"{', '.join(builtin_kinds())}, or another value of plugins"
            )


def _leaves(tree: Mapping[str, Any], above: SettingPath = ()) -> list[tuple[SettingPath, Any]]:
    leaves: list[tuple[SettingPath, Any]] = []
    for key, value in tree.items():
        path = (*above, str(key))
        leaves += _leaves(value, path) if isinstance(value, Mapping) and value else [(path, value)]
    return leaves


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
