"""What `homa doctor` looks at, a generator each: settings, keys, reach, store, drift, what waits, books."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from homa.cli.doctor.check import Check
from homa.cli.doctor.encryption_checks import encryption
from homa.cli.doctor.exposure_checks import file_exposure, store_exposure
from homa.cli.doctor.handler_checks import handler_checks
from homa.cli.doctor.model_checks import fleets_models, models
from homa.cli.doctor.orphaned_queues import Stranded
from homa.cli.doctor.plugin_checks import plugins
from homa.cli.doctor.worker_checks import loading, sdks
from homa.client.management.why import lack_of
from homa.drivers.context import Context
from homa_shared.kinds.registry import profile_of
from homa_shared.model.errors import ConfigError, StoreUnavailable
from homa_shared.model.pools import alias_of, worker_command
from homa_shared.namesake import REMEDY
from homa_shared.settings.changes import diff
from homa_shared.settings.explain import without_passwords
from homa_shared.settings.outgoing import check_outgoing
from homa_shared.store import reads
from homa_shared.store.address import StoreAddress
from homa_shared.store.audit import audit
from homa_shared.store.rights import denied_commands, lack_of_rights
from homa_shared.store.safety_checks import Level, Verdict, verdicts
from homa_shared.store.transitions.fleet import read_fleet
from homa_shared.store.versions import Versions, own_versions, release

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings
    from homa_shared.settings.sections import ProviderSettings
    from homa_shared.store.client import Store

_CONNECT_S = 3.0
#: Verdicts of the store that only warn, since Homa runs all the same, but mean that a restart loses accepted jobs.
_LOSING = frozenset({"appendonly"})


def checks(settings: Settings, *, deep: bool) -> Iterator[Check]:
    """Every check, in the order in which one would put things right.

    Args:
        deep: prove the store's books too, which reads every live job.
    """
    yield from _installation()
    yield from _settings(settings)
    yield from _keys(settings)
    yield from file_exposure(settings, _address(settings))
    yield from sdks(settings)
    yield from _reach(settings)
    try:
        with closing(Context(lambda: settings, safe_only=False, role="doctor").connect()) as store:
            yield Check(Level.OK, "store", str(store.address))
            yield from store_exposure(store.address)
            yield from map(_from_verdict, verdicts(store.facts()))
            yield _rights(store)
            yield from _drift(settings, store)
            yield from encryption(store)
            yield from _waiting(store)
            yield from fleets_models(settings.fleet(), store)
            yield from _releases(store)
            yield from _unresolved(store)
            yield from handler_checks(store)
            if deep:
                yield from _books(store)
    except StoreUnavailable as error:
        yield _no_store(settings, error)
        yield from models(settings.fleet())
    # Last: it imports SDKs, which takes seconds, and a worker's beat is old after five.
    yield from loading(settings)
    yield from plugins(settings)


def _installation() -> Iterator[Check]:
    try:
        other = version("homa")
    except PackageNotFoundError:
        yield Check(Level.OK, "installation", f"homa-queue {release()}")
        return
    found = f"another project's distribution, homa {other}, shares the package homa"
    yield Check(Level.WARNING, "installation", found, REMEDY)


def _settings(settings: Settings) -> Iterator[Check]:
    yield Check(Level.OK, "settings", str(settings.config_file or "from the environment"))
    for warning in settings.warnings:
        yield Check(Level.WARNING, "settings", warning, "correct its name, or remove it")


def _address(settings: Settings) -> StoreAddress | None:
    return None if settings.redis_url is None else StoreAddress.parse(settings.redis_url)


def _keys(settings: Settings) -> Iterator[Check]:
    if not settings.providers:
        yield Check(Level.OK, "providers", "none configured here: enough to submit jobs, not to run a worker")
    for name, provider in sorted(settings.providers.items()):
        yield _key(name, provider)


def _key(name: str, provider: ProviderSettings) -> Check:
    try:
        present = provider.key() is not None
    except ConfigError as error:
        return Check(Level.WARNING, f"key of {name}", "unreadable", str(error))
    try:
        profile = profile_of(provider.kind)
    except ConfigError as error:
        return Check(Level.ERROR, f"kind of {name}", f"{provider.kind} cannot be loaded", str(error))
    try:
        check_outgoing(name, provider)
    except ConfigError as error:
        return Check(Level.WARNING, f"key of {name}", "its calls cannot be sent", str(error))
    if present or not profile.connection.key_needed:
        return Check(Level.OK, f"key of {name}", "present" if present else f"none needed ({provider.kind})")
    what = f"set HOMA_PROVIDERS__{name.upper()}__API_KEY, or run its workers elsewhere"
    return Check(Level.WARNING, f"key of {name}", "missing", what)


def _reach(settings: Settings) -> Iterator[Check]:
    places: dict[str, tuple[str, int]] = {}
    for name, provider in sorted(settings.providers.items()):
        try:
            place = _place(provider)
        except ConfigError:
            # The check of keys tells of its kind.
            continue
        except ValueError as error:
            shown = without_passwords(str(provider.base_url))
            yield Check(Level.WARNING, f"reach of {name}", f"{shown}: {error}", "correct its base_url")
            continue
        if place is not None:
            places[name] = place
    if not places:
        return
    with ThreadPoolExecutor(min(8, len(places))) as threads:
        for name, trouble in zip(places, threads.map(_connect, places.values()), strict=True):
            host, port = places[name]
            if trouble is None:
                yield Check(Level.OK, f"reach of {name}", f"{host}:{port}")
            else:
                what = "check network, proxy and base_url: its jobs wait, or go to their fallbacks"
                yield Check(Level.WARNING, f"reach of {name}", f"{host}:{port}: {trouble}", what)


def _place(provider: ProviderSettings) -> tuple[str, int] | None:
    """Host and port of a provider; None where only its SDK knows. Raises ValueError for an invalid address."""
    url = provider.base_url or profile_of(provider.kind).connection.address({"region": provider.region})
    parts = urlsplit(url or "")
    if parts.hostname is None:
        return None
    return parts.hostname, parts.port or (80 if parts.scheme == "http" else 443)


def _connect(place: tuple[str, int]) -> str | None:
    """Connects and hangs up; what stood in the way, None for nothing."""
    try:
        socket.create_connection(place, timeout=_CONNECT_S).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    except UnicodeError:
        return "not a valid host name"
    return None


def _no_store(settings: Settings, error: StoreUnavailable) -> Check:
    if settings.redis_url is None:
        # An embedded store that does not run has lost nothing: its data waits for the next start.
        return Check(Level.WARNING, "store", "the embedded store does not run", str(error))
    return Check(Level.ERROR, "store", "unavailable", str(error))


def _from_verdict(verdict: Verdict) -> Check:
    level = Level.ERROR if verdict.setting in _LOSING and verdict.level is not Level.OK else verdict.level
    return Check(level, verdict.setting, verdict.value, verdict.what_to_do)


def _rights(store: Store) -> Check:
    denied = store.run(denied_commands(store.keys))
    if not denied:
        return Check(Level.OK, "rights", "its user may run all that Homa runs")
    return Check(
        Level.ERROR, "rights", f"refused: {', '.join(denied)}", lack_of_rights(denied, store.address, store.keys)
    )


def _drift(settings: Settings, store: Store) -> Iterator[Check]:
    theirs = store.run(read_fleet(store.keys))
    if theirs is None:
        yield Check(Level.OK, "fleet settings", "none yet: the first worker writes its own")
        return
    changes = diff(theirs, settings.fleet()) if settings.providers else []
    for change in changes:
        what = "`homa apply` writes this machine's settings, or take over the fleet's in homa.toml"
        yield Check(Level.WARNING, "fleet settings", f"here, {change}", what)
    if not changes:
        yield Check(Level.OK, "fleet settings", f"version {theirs.version}")


def _waiting(store: Store) -> Iterator[Check]:
    jobs: Counter[str] = Counter()
    paused: set[str] = set()
    for row in store.run(reads.queues(store.keys)):
        jobs[row.queue] += row.queued + row.running + row.due + row.waiting
        paused |= {row.queue} if row.paused else set()
    fleet = store.run(read_fleet(store.keys))
    for queue, count in sorted(jobs.items()):
        # Queues of ordinary actors look like a provider's; those of pools do not.
        lack = lack_of(fleet, queue) if fleet is not None and count and alias_of(queue) is not None else None
        if lack is not None:
            left = Stranded(queue, count, lack)
            yield Check(Level.WARNING, f"queue {queue}", f"{count} jobs, and no {lack} in the settings", left.way_out)
            continue
        live = store.run(reads.live_workers(store.keys, queue))
        value = f"{count} jobs, {live} live workers"
        if count and not live:
            yield Check(Level.WARNING, f"queue {queue}", value, f"nobody serves it: start `{worker_command(queue)}`")
        elif count and queue in paused:
            what = f"it is paused: `homa queues resume {queue}` lets it go on"
            yield Check(Level.WARNING, f"queue {queue}", value, what)
        else:
            yield Check(Level.OK, f"queue {queue}", value)


def _releases(store: Store) -> Iterator[Check]:
    """Workers of several releases: while they last, what all of them read is written."""
    live = [row for row in store.run(reads.workers(store.keys)) if row.live]
    kinds = Counter(Versions.told(row.facts) for row in live)
    if len(kinds) < 2 and all(kind == own_versions() for kind in kinds):
        return
    told = ", ".join(f"{count} read records up to version {kind.record}" for kind, count in sorted(kinds.items()))
    what = f"this release reads up to {own_versions().record}: upgrade the others; nothing is lost meanwhile"
    yield Check(Level.WARNING, "releases", f"live workers: {told}", what)


def _policy(store: Store) -> str:
    """What the fleet's settings make of cost that stays unresolved."""
    fleet = store.run(read_fleet(store.keys))
    return "" if fleet is None else f"; {fleet.unresolved.fate} (set by [unresolved])"


def _unresolved(store: Store) -> Iterator[Check]:
    found = store.run(reads.unresolved(store.keys, 1000))
    if found:
        count = f"attempts: {len(found)}" if len(found) < 1000 else "attempts: 1000 or more"
        what = "their outcome is not known: `homa jobs resolve` lists them, and settles them by the provider's bill"
        what += _policy(store)
        yield Check(Level.WARNING, "unresolved costs", count, what)


def _books(store: Store) -> Iterator[Check]:
    findings = audit(store)
    for finding in findings:
        what = "report it with the version of Homa: a live job outside its index would never run"
        yield Check(Level.ERROR, "books", str(finding), what)
    if not findings:
        yield Check(Level.OK, "books", "each live job in one index, every counter the sum of its parts")
