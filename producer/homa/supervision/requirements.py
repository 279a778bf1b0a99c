"""Whether workers can run on this machine, with these settings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from homa_shared.model.errors import ConfigError, MissingExtra
from homa_shared.settings.model import Settings

#: What the extra `workers` brings.
_NEEDED = ("homa_workers", "aiohttp", "anthropic", "openai")


def require_workers(what: str, extra: str = "workers") -> None:
    """Raises MissingExtra unless workers are installed here.

    Args:
        what: needs them, for the message.
        extra: what to install.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtra(what, extra)


def check_startable(settings: Settings, providers: Sequence[str]) -> None:
    """Whether workers for these providers could be started here.

    Raises:
        MissingExtra: workers are not installed.
        ConfigError: a provider is not configured here.
    """
    require_workers("Running a worker here", "local")
    for provider in providers:
        if provider not in settings.providers:
            raise ConfigError(
                f"no live worker serves {provider}, and {provider} is not configured here: set its key "
                f"(HOMA_PROVIDERS__{provider.upper()}__API_KEY), start `homa worker {provider}` where it is, "
                "or queue the jobs with --workers none"
            )
