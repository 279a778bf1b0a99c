"""What a command works with: settings, store and fleet; its first line on stderr names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from homa.drivers.blocking import BlockingDriver
    from homa.drivers.place import Place
    from homa.submit.fleet_view import FleetView
    from homa.submit.submitter import Submitter
    from homa_shared.settings.model import Settings
    from homa_shared.store.client import Store
    from homa_shared.store.connection import StoreAddress
    from homa_shared.store.keys import Keys


@dataclass(frozen=True, slots=True)
class Session:
    """Settings of this process and the store that they lead to."""

    settings: Settings
    address: StoreAddress
    store: Store

    @property
    def keys(self) -> Keys:
        return self.store.keys


@contextmanager
def session(*, start: bool = False, revive: bool = False) -> Iterator[Session]:
    """Settings and an open store, closed at the end. The fleet's settings are not touched: that is `join.enter`'s.

    Args:
        start: start the embedded store where HOMA_REDIS_URL is unset and none runs.
        revive: start it only where it stopped with data in it, as it does when nobody has used it for long.

    Raises:
        ConfigError: a setting is wrong.
        StoreUnavailable: there is no store to join, or it does not start.
    """
    from homa_shared.settings.model import load_settings
    from homa_shared.store.client import Store
    from homa_shared.store.join import address_of

    settings = load_settings()
    address = address_of(settings, start=start or (revive and _holds_data(settings)))
    say(first_line(settings, address))
    for warning in settings.warnings:
        say(f"warning: {warning}")
    store = Store(address, settings.namespace, role="cli")
    try:
        yield Session(settings, address, store)
    finally:
        store.close()


def _holds_data(settings: Settings) -> bool:
    from homa_shared.store.embedded import StoreDirectory

    return StoreDirectory.at(settings.home).append_only.exists()


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command that submits works with."""

    place: Place
    #: Runs the client's flows.
    driver: BlockingDriver
    submitter: Submitter
    #: False: nothing is asked of the store, and the fleet's settings are this process's own.
    joined: bool

    @property
    def settings(self) -> Settings:
        return self.place.settings

    @property
    def keys(self) -> Keys:
        return self.submitter.keys

    def view(self) -> FleetView:
        """The fleet's settings and prices."""
        from homa.submit.fleet_view import FleetView

        if not self.joined:
            return FleetView(self.settings.fleet())
        return self.driver.run(self.submitter.view())


@contextmanager
def desk(*, start: bool = True) -> Iterator[Desk]:
    """The client's parts on the store of this process's settings.

    Args:
        start: start the embedded store where HOMA_REDIS_URL is unset; without it, work goes on without a store where
            none runs.

    Raises:
        ConfigError: a setting is wrong.
        StoreUnavailable: the store cannot be reached or started, or cannot keep jobs safely.
    """
    from homa.drivers.blocking import BlockingDriver
    from homa.drivers.place import Place
    from homa.submit.submitter import Submitter
    from homa_shared.model.errors import StoreUnavailable
    from homa_shared.settings.model import load_settings

    settings = load_settings()
    place = Place(lambda: settings, local=start)
    try:
        said = str(place.address())
        joined = True
    except StoreUnavailable:
        if start:
            raise
        said, joined = "none", False
    say(first_line(settings, said))
    for warning in settings.warnings:
        say(f"warning: {warning}")
    driver = BlockingDriver(place)
    try:
        yield Desk(place, driver, Submitter(place), joined)
    finally:
        driver.close()


def first_line(settings: Settings, address: StoreAddress | str) -> str:
    """Store and settings file, passwords masked."""
    return f"store {address}, settings {settings.config_file or 'from the environment'}"


def standard_input() -> str:
    """All text on standard input. Raises InvalidRequest where it is none."""
    import sys

    from homa_shared.model.errors import InvalidRequest

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"standard input is no UTF-8 ({error.reason} at byte {error.start}): recode it") from None


def say(message: str) -> None:
    """A message to the person, on stderr: stdout belongs to results."""
    click.echo(f"homa: {message}", err=True)
