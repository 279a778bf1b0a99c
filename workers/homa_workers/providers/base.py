"""What the pipeline may ask of a provider, and what a provider is made from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from pydantic import SecretStr

from homa_shared.calls.reply import Call, Completion, Delta, Embeddings
from homa_shared.model.errors import ConfigError
from homa_shared.settings.sections import KEEP_ALIVE_S, REPLY_MAX_BYTES

#: Where a stream's pieces go. It may wait (backpressure); what it raises ends the stream and the connection.
Emit = Callable[[Delta], Awaitable[None]]

#: Connections that one adapter may hold: far above any concurrency, since a call that waits for a free connection
#: inside the SDK spends its deadline there.
MIN_CONNECTIONS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """What a client of a provider's server is made from."""

    base_url: str
    #: Most connections at once.
    connections: int = MIN_CONNECTIONS
    #: Seconds of the peer's silence, not of the call.
    read_timeout_s: float
    #: Seconds for which an idle connection is kept.
    keep_alive_s: float = KEEP_ALIVE_S
    #: Most bytes of a reply, before and after decompression.
    most_bytes: int = REPLY_MAX_BYTES


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """A configured account of a provider, as one worker process uses it."""

    #: The account's name: its queue, and the first half of its targets.
    name: str
    #: Its kind, which names the adapter (kinds/builtin, or a package's).
    kind: str
    api_key: SecretStr | None = None
    #: Endpoint; None means the kind's own.
    base_url: str | None = None
    #: Seconds for one whole call. The pipeline keeps it; SDK timeouts stand far above, so that they never fire first.
    timeout_s: float = 600.0
    #: Seconds for which an idle connection is kept.
    keep_alive_s: float = KEEP_ALIVE_S
    #: Most calls at once; None leaves it to the worker.
    concurrency: int | None = None
    #: Most bytes of a reply, before and after decompression.
    reply_max_bytes: int = REPLY_MAX_BYTES
    #: What only this kind understands, such as `organization`, `headers` or `max_tokens`.
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def missing(self, field: str, why: str) -> ConfigError:
        """The error of an account that lacks a setting.

        Args:
            field: the setting's name, such as `api_key`.
        """
        setting = f"HOMA_PROVIDERS__{self.name.upper()}__{field.upper()}"
        return ConfigError(f"provider {self.name!r} has no {field}: {why}. Set {setting}.")

    def http(self, base_url: str) -> HttpSettings:
        """What its HTTP client is made from.

        Args:
            base_url: the server that it speaks to.
        """
        return HttpSettings(
            base_url=base_url,
            connections=self.connections,
            read_timeout_s=self.read_timeout_s,
            keep_alive_s=self.keep_alive_s,
            most_bytes=self.reply_max_bytes,
        )

    @property
    def connections(self) -> int:
        """Most connections at once."""
        return max(MIN_CONNECTIONS, 2 * (self.concurrency or 0))

    @property
    def read_timeout_s(self) -> float:
        """Silence after which a connection counts as dead: a last resort behind the pipeline's deadline."""
        return 2 * self.timeout_s + 60.0


def account_params(provider: Provider) -> Mapping[str, Any]:
    """Parameters that an account's settings give to each chat call that leaves them open; empty: none.

    An adapter that merges such parameters tells them by an attribute `own_params`: what they may cost is then reckoned
    before a call is sent.
    """
    found = getattr(provider, "own_params", None)
    return found if isinstance(found, Mapping) else {}


@runtime_checkable
class Provider(Protocol):
    """An account of a provider that calls can be made to.

    Every method raises `ProviderError`, and nothing else, for what goes wrong with a call. Cancelling the task closes
    the provider's connection at once.
    """

    @property
    def name(self) -> str:
        """The account's name."""

    @property
    def kind(self) -> str:
        """The kind of provider."""

    async def complete(self, call: Call) -> Completion:
        """Make one call and return its whole reply."""

    async def stream(self, call: Call, emit: Emit) -> Completion:
        """Make one call, hand each piece to `emit` as it arrives, and return the whole reply."""

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        """Turn texts into vectors."""

    async def count(self, call: Call) -> int | None:
        """Input tokens of a call by the provider's own count; None where it offers none."""

    async def aclose(self) -> None:
        """Close every connection."""
