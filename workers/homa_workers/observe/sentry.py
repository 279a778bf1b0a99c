"""Sentry: unexpected errors and dead jobs, and nothing else. Never a retried attempt, a prompt or a key.

Reports are built from a few named facts instead of being scrubbed of everything else: no local variables, no
breadcrumbs, no logging integration, no request data. The SDK, a tenth of a worker's start, is loaded where it is used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from homa_shared.calls.failures import ProviderError
from homa_shared.store.transitions.attempts import Claim

if TYPE_CHECKING:
    import sentry_sdk
    from sentry_sdk._types import Event, Hint

#: Fields of an event that may leave the machine.
_ALLOWED = frozenset(
    {
        "event_id",
        "timestamp",
        "level",
        "platform",
        "release",
        "environment",
        "server_name",
        "sdk",
        "message",
        "logentry",
    }
    | {"exception", "tags", "contexts", "fingerprint", "transaction", "logger", "type", "modules"}
)


def start(dsn: str, *, worker: str, release: str, environment: str | None = None, transport: Any = None) -> None:
    """Starts reporting to Sentry.

    Args:
        dsn: where to.
        worker: the worker's id, a tag of every report.
        release: Homa's version.
        environment: as in Sentry's own settings.
        transport: replaces Sentry's, for tests.
    """
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        release=f"homa@{release}",
        environment=environment,
        transport=transport,
        # Integrations would report logged errors, retried attempts among them, and headers of provider calls.
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_only_what_is_named,
    )
    sentry_sdk.set_tag("worker", worker)


def dead_job(claim: Claim, error: ProviderError) -> None:
    """A job ended as failed. The provider's message may quote the prompt, so only its classification is sent."""
    if not _in_use():
        return
    import sentry_sdk

    with sentry_sdk.new_scope() as scope:
        _tag(scope, claim)
        scope.set_tag("error", str(error.kind))
        scope.set_tag("status", str(error.status))
        scope.fingerprint = ["dead-job", claim.target, str(error.kind)]
        scope.capture_message(f"job failed at {claim.target}: {error.kind}", level="error")


def unexpected(error: BaseException, claim: Claim | None = None) -> None:
    """A defect. Its message may hold anything, so its type and its place are sent, not its words."""
    if not _in_use():
        return
    import sentry_sdk

    with sentry_sdk.new_scope() as scope:
        if claim is not None:
            _tag(scope, claim)
        scope.capture_exception(error)


def flush() -> None:
    """Sends what is still waiting, for at most two seconds."""
    if _in_use():
        import sentry_sdk

        sentry_sdk.flush(timeout=2.0)


def _in_use() -> bool:
    """Whether anybody can have started the SDK: this module, or an application's actors."""
    return "sentry_sdk" in sys.modules


def _tag(scope: sentry_sdk.Scope, claim: Claim) -> None:
    for name, value in (
        ("job", claim.id),
        ("attempt", claim.attempt),
        ("target", claim.target),
        ("batch", claim.batch),
    ):
        scope.set_tag(name, str(value))


def _only_what_is_named(event: Event, hint: Hint) -> Event:
    kept: Any = {name: value for name, value in event.items() if name in _ALLOWED}
    for exception in (kept.get("exception") or {}).get("values", []):
        exception["value"] = ""
        for frame in (exception.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    kept["contexts"] = {
        name: kept["contexts"][name] for name in ("runtime", "trace") if name in kept.get("contexts", {})
    }
    result: Event = kept
    return result
