"""What a process works with: its settings, and the store that they lead to.

Client, command line and runs share it. Settings are read, and the store is looked for, at the first need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from homa.drivers import fake_in_force
from homa.drivers.effects import PATIENCE_S
from homa_shared.model.errors import ConfigError, InvalidRequest, StoreUnavailable
from homa_shared.model.example_models import OPENAI
from homa_shared.store.keys import Keys
from homa_shared.store.sealing import keys_of

if TYPE_CHECKING:
    from homa.drivers.fake_in_force import OpenFake
    from homa_shared.settings.model import Settings
    from homa_shared.store.blobs import Blobs
    from homa_shared.store.client import AsyncStore, Store
    from homa_shared.store.connection import StoreAddress
    from homa_shared.store.embedded import EmbeddedStore
    from homa_shared.traces import Traces

#: Least `submit_timeout_s`.
_LEAST_S = 0.1
#: What somebody needs to know who has just installed Homa.
_LOCALLY = f"""To run everything from this process, store and workers too:

    with Homa.local() as homa:
        job = homa.submit("Say hello.", model="{OPENAI.target}")
        print(job.result().text)
"""


class Start(Enum):
    """When an embedded store that does not run is started."""

    NEVER = auto()
    #: Where it stopped with data in it, as it does when nobody has used it for long.
    WITH_DATA = auto()
    ALWAYS = auto()


class OwnWorkers(Protocol):
    """Workers that a process runs for its own jobs, as the client's flows see them. No method blocks."""

    def expect(self, model: str, fallbacks: Sequence[str]) -> None:
        """A job is about to be submitted, to a store that may not run yet."""

    def need(self, targets: Sequence[str]) -> None:
        """Jobs are about to be submitted to the hops of these names; what stands in the way is told by `serve`."""

    def serve(self, queue: str) -> None:
        """Somebody waits for a job in a queue that nobody serves.

        Raises:
            HomaError: why no worker of this process can.
        """


@dataclass(frozen=True)
class Context:
    """The settings of a process and its store."""

    #: Reads the settings; called once for each fleet that they lead to.
    load: Callable[[], Settings]
    start: Start = Start.NEVER
    #: Refuse a store that might drop jobs. Whoever submits needs one that keeps them; whoever looks takes any.
    safe_only: bool = True
    #: What its connections are called in the store's list of clients.
    role: str = "client"
    #: None: others run the workers.
    workers: OwnWorkers | None = None
    #: Name under which ends of its jobs are announced to it, on one channel; empty: each job has a channel of its own.
    announced_to: str = ""
    #: It leads to a fake fleet while one is open (`fake_in_force`); what was read before holds no longer then.
    follows: bool = False

    @property
    def fake(self) -> OpenFake | None:
        """The fake fleet that it leads to; None outside of tests."""
        return fake_in_force.current if self.follows else None

    @property
    def settings(self) -> Settings:
        return self._read.settings

    @property
    def _read(self) -> _Read:
        read: _Read | None = self.__dict__.get("_found")
        if read is None or read.fake is not (fake_in_force.current if self.follows else None):
            read = self.__dict__["_found"] = _Read(self)
        return read

    @property
    def keys(self) -> Keys:
        return self._read.keys

    @property
    def embedded(self) -> EmbeddedStore:
        """The embedded store of this process's settings, whether or not it runs or is used."""
        from homa_shared.store.embedded import EmbeddedStore

        return EmbeddedStore(self.settings.home)

    def address(self) -> StoreAddress:
        """Where the store is; an embedded one is started where `start` says so.

        Raises:
            ConfigError: the settings are wrong.
            StoreUnavailable: no store is set, and the embedded one does not run or does not start.
        """
        from homa_shared.store.join import address_of

        try:
            return address_of(self.settings, start=self._starts_embedded())
        except StoreUnavailable as error:
            if self.role != "client" or self.start is not Start.NEVER or self.settings.redis_url is not None:
                raise
            raise StoreUnavailable(f"{error}\n{_LOCALLY}") from None

    def need_worker(self, queue: str) -> bool:
        """Whether a worker of this process's own is to serve a queue, which it then does as soon as it can.

        Raises:
            HomaError: why none of them can.
        """
        if self.workers is None:
            return False
        self.workers.serve(queue)
        return True

    def connect(self, within_s: float | None = None) -> Store:
        """The store, for threads.

        Args:
            within_s: how long one operation may take; None: as long as the store's connections wait anyway.

        Raises:
            StoreUnavailable: as `address`, or it cannot be reached, or might drop jobs and `safe_only` is set.
        """
        from homa_shared.store.client import Store
        from homa_shared.store.rights import denied_commands, require_rights
        from homa_shared.store.safety_checks import require_safe

        store = Store(self.address(), self.settings.namespace, role=self.role, within_s=within_s)
        if self.safe_only:
            require_safe(store.facts())
            require_rights(store.run(denied_commands(store.keys)), store.address, store.keys)
        return store

    async def connect_async(self, within_s: float | None = None) -> AsyncStore:
        """`connect` for an event loop."""
        import asyncio

        from homa_shared.store.client import AsyncStore
        from homa_shared.store.rights import denied_commands, require_rights
        from homa_shared.store.safety_checks import require_safe

        # Settings are files, and an embedded store may have to start: not on the loop.
        address = await asyncio.to_thread(self.address)
        store = AsyncStore(address, self.settings.namespace, role=self.role, within_s=within_s)
        if self.safe_only:
            require_safe(await store.facts())
            require_rights(await store.run(denied_commands(store.keys)), store.address, store.keys)
        return store

    @property
    def blobs(self) -> Blobs | None:
        """The blob store; None where media stay in the store itself.

        Raises:
            ConfigError, MissingExtra: the one that is set cannot be opened.
        """
        return self._read.blobs

    @property
    def traces(self) -> Traces | None:
        """What makes spans of its jobs; None where none is traced.

        Raises:
            MissingExtra: OpenTelemetry is not installed.
        """
        return self._read.traces

    def need_blobs(self) -> Blobs:
        """The blob store, where something is known to be in one.

        Raises:
            ConfigError: this process has none.
        """
        if self.blobs is None:
            raise ConfigError("what was asked for is in a blob store: set HOMA_BLOBS as the worker has it")
        return self.blobs

    @property
    def owns_fleet(self) -> bool:
        """Whether this process's settings become the fleet's: those of a local process in the embedded store do."""
        return self.start is Start.ALWAYS and self.settings.redis_url is None

    def _starts_embedded(self) -> bool:
        if self.start is not Start.WITH_DATA:
            return self.start is Start.ALWAYS
        from homa_shared.store.embedded import StoreDirectory

        return StoreDirectory.at(self.settings.home).append_only.exists()


class _Read:
    """What a context has read, and for which fake fleet."""

    def __init__(self, context: Context) -> None:
        self.fake = context.fake
        self._load = context.load
        self._role = context.role

    @cached_property
    def settings(self) -> Settings:
        return self._load()

    @cached_property
    def keys(self) -> Keys:
        from homa_shared.settings.encryption import keyring_of

        return keys_of(self.settings.namespace, keyring_of(self.settings))

    @cached_property
    def blobs(self) -> Blobs | None:
        from homa_shared.store.blobs import open_blobs

        return open_blobs(self.settings)

    @cached_property
    def traces(self) -> Traces | None:
        if not self.settings.traces:
            return None
        from homa_shared.traces import Traces

        return Traces(self.settings.traces, "homa" if self._role == "client" else f"homa-{self._role}")


def client_context(
    *,
    redis_url: str | None = None,
    namespace: str | None = None,
    settings: Settings | None = None,
    local: bool = False,
    submit_timeout_s: float | None = None,
) -> Context:
    """A client's context, from the arguments of `Homa`.

    Args:
        redis_url: instead of `HOMA_REDIS_URL`.
        namespace: instead of `HOMA_NAMESPACE`.
        settings: instead of environment and homa.toml.
        local: start the embedded store.
        submit_timeout_s: instead of `HOMA_SUBMIT_TIMEOUT_S`.
    """
    if submit_timeout_s is not None:
        _check_submit_timeout(submit_timeout_s)
    given = {"redis_url": redis_url, "namespace": namespace, "submit_timeout_s": submit_timeout_s}
    follows = settings is None and redis_url is None

    def load() -> Settings:
        base, said = settings, given
        if follows and (fake := fake_in_force.current) is not None:
            # Whatever namespace the application names: that of a test is the fake fleet's.
            base, said = fake.settings, {"submit_timeout_s": submit_timeout_s}
        if base is not None:
            return base.model_copy(update={name: value for name, value in said.items() if value is not None})
        from homa_shared.settings.model import load_settings

        return load_settings(overrides=given)

    return Context(load, Start.ALWAYS if local else Start.NEVER, follows=follows)


def _check_submit_timeout(seconds: object) -> None:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not _LEAST_S <= seconds <= PATIENCE_S:  # type: ignore[operator]
        raise InvalidRequest(f"submit_timeout_s is {seconds!r:.80}: expected seconds, {_LEAST_S:g} to {PATIENCE_S:g}")
