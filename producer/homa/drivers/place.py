"""Which store and settings a client works with. Settings are read, and the store is looked for, at the first need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from homa_shared.model.errors import ConfigError

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings
    from homa_shared.store.blobs import Blobs
    from homa_shared.store.connection import StoreAddress


@dataclass(frozen=True)
class Place:
    """A store's place and the settings of this process."""

    #: Reads the settings; called once.
    load: Callable[[], Settings]
    #: Start the embedded store where it does not run, and let its settings follow this process's own.
    local: bool = False

    @cached_property
    def settings(self) -> Settings:
        return self.load()

    def address(self) -> StoreAddress:
        """Where the store is; an embedded one is started where this place is local.

        Raises:
            ConfigError: the settings are wrong.
            StoreUnavailable: no store is set, and the embedded one does not run or does not start.
        """
        from homa_shared.store.join import address_of

        return address_of(self.settings, start=self.local)

    @cached_property
    def blobs(self) -> Blobs | None:
        """The blob store; None where media stay in the store itself.

        Raises:
            ConfigError, MissingExtra: the one that is set cannot be opened.
        """
        from homa_shared.store.blobs import open_blobs

        return open_blobs(self.settings)

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
        return self.local and self.settings.redis_url is None


def place(
    *, redis_url: str | None = None, namespace: str | None = None, settings: Settings | None = None, local: bool = False
) -> Place:
    """A client's place, from the arguments of `Homa`.

    Args:
        redis_url: instead of `HOMA_REDIS_URL`.
        namespace: instead of `HOMA_NAMESPACE`.
        settings: instead of environment and homa.toml.
        local: start the embedded store.
    """

    def load() -> Settings:
        if settings is not None:
            return settings.model_copy(
                update={k: v for k, v in (("redis_url", redis_url), ("namespace", namespace)) if v is not None}
            )
        from homa_shared.settings.model import load_settings

        return load_settings(overrides={"redis_url": redis_url, "namespace": namespace})

    return Place(load, local)
