"""What a pickled client or handle carries: the names of store and namespace. It carries no settings and no secret.

Where it is unpickled it reads that process's own settings, at its first use, and takes the store's credentials from
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homa.drivers.context import Context, Start
from homa_shared.model.errors import ConfigError
from homa_shared.store.address import SETTING, StoreAddress

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings


@dataclass(frozen=True, slots=True)
class ClientSource:
    """Where a client's jobs are, by name."""

    namespace: str
    #: The store's URL without credentials; None for the embedded store in `home`.
    store: str | None
    #: Whether that store wants credentials.
    guarded: bool
    home: Path

    @classmethod
    def of(cls, context: Context) -> ClientSource:
        """Of a client of this process. Raises ConfigError where its settings are wrong."""
        settings = context.settings
        if settings.redis_url is None:
            return cls(settings.namespace, None, False, settings.home)
        address = StoreAddress.parse(settings.redis_url)
        return cls(settings.namespace, address.nameless(), address.has_credentials, settings.home)

    def context(self) -> Context:
        """The context of a client in this process. An embedded store that stopped with data in it is started."""
        return Context(self.load, Start.NEVER if self.store is not None else Start.WITH_DATA)

    def load(self) -> Settings:
        """This process's settings with that store.

        Raises:
            ConfigError: they are wrong, or the store wants credentials that they do not have.
        """
        from homa_shared.settings.model import load_settings

        found = load_settings(overrides={"namespace": self.namespace})
        url = self.store
        if url is not None and self.guarded:
            here = found.redis_url
            if here is None or StoreAddress.parse(here).nameless() != url:
                raise ConfigError(
                    f"a client of {url} was pickled, which carries no credentials, and this process has none for that "
                    f"store: set {SETTING}, with user and password"
                )
            url = here
        return found.model_copy(update={"redis_url": url, "home": self.home if url is None else found.home})
