"""Whether workers can run on this machine, with these settings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.model.errors import ConfigError, MissingExtra
from homa_shared.settings.model import Settings
from homa_shared.settings.outgoing import check_outgoing

#: The extra that every worker needs, and what it brings beside the SDKs of kinds.
_EXTRA, _TRANSPORT = "workers", "aiohttp"


def require_workers(what: str, extra: str = _EXTRA) -> None:
    """Raises MissingExtra unless workers are installed here.

    Args:
        what: needs them, for the message.
        extra: what to install.
    """
    profiles = map(profile_of, builtin_kinds())
    needed = {"homa_workers", _TRANSPORT} | {profile.sdk for profile in profiles if profile.extra == _EXTRA}
    if any(find_spec(name) is None for name in needed):
        raise MissingExtra(what, extra)


def check_startable(settings: Settings, providers: Sequence[str]) -> None:
    """Whether workers for these providers could be started here.

    Raises:
        MissingExtra: workers are not installed.
        ConfigError: a provider is not configured here, or so that no call could be sent.
    """
    require_workers("Running a worker here", "local")
    for provider in providers:
        if provider not in settings.providers:
            raise ConfigError(
                f"no live worker serves {provider}, and {provider} is not configured here: set its key "
                f"(HOMA_PROVIDERS__{provider.upper()}__API_KEY), start `homa worker {provider}` where it is, "
                "or queue the jobs with --workers none"
            )
        check_outgoing(provider, settings.providers[provider])


def require_gateway(what: str = "homa gateway") -> None:
    """Raises MissingExtra unless the HTTP face is installed here."""
    if not has_gateway():
        raise MissingExtra(what, "gateway")


def has_gateway() -> bool:
    """Whether the HTTP face is installed here."""
    return all(find_spec(name) is not None for name in ("starlette", "uvicorn", "httptools"))
