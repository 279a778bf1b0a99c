"""A store's user who may not run what Homa runs is refused at the start, with the command that grants it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import redis

from homa_shared.model.errors import StoreUnavailable
from homa_shared.settings.fleet import Fleet
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.connection import StoreAddress, connect_sync
from homa_shared.store.join import enter
from homa_shared.store.keys import Keys
from homa_shared.store.rights import COMMANDS, acl_line, denied_commands, require_rights
from homa_shared.store.scripts import names, script
from tests.transitions.cell import Cell

PASSWORD = "pass"
#: Rights of a user whom nothing is denied, and of one as Redis makes it.
ALL = ("~*", "&*", "+@all")

User = Callable[..., StoreAddress]


@pytest.fixture
def user(store_address: StoreAddress, redis_client: redis.Redis, namespace: str) -> Iterator[User]:
    name = f"user-{namespace}"

    def make(*rules: str) -> StoreAddress:
        redis_client.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", *rules)
        parts = urlsplit(store_address.url)
        place = parts.netloc.rpartition("@")[2]
        return StoreAddress.parse(parts._replace(netloc=f"{name}:{PASSWORD}@{place}").geturl())

    yield make
    redis_client.execute_command("ACL", "DELUSER", name)


def refusal(address: StoreAddress, namespace: str) -> str:
    store = Store(address, namespace)
    try:
        with pytest.raises(StoreUnavailable) as caught:
            require_rights(store.run(denied_commands(store.keys)), address, store.keys)
        return str(caught.value)
    finally:
        store.close()


def test_every_command_of_every_script_is_asked_about() -> None:
    asked = {command[0] for command in COMMANDS}
    for name in names():
        used = set(re.findall(r"redis\.p?call\('([A-Z]+)'", script(name).text))
        assert used <= asked, name


def test_a_user_without_channels_is_refused_with_the_line_that_mends_it(
    user: User, namespace: str, redis_client: redis.Redis
) -> None:
    address = user("~*", "+@all", "resetchannels")
    told = refusal(address, namespace)
    assert "may not run PUBLISH, SUBSCRIBE on" in told
    line = re.search(r"`(ACL SETUSER [^`]+)`", told)
    assert line is not None
    redis_client.execute_command(*line[1].split(" "))
    store = Store(address, namespace)
    assert store.run(denied_commands(store.keys)) == ()
    store.close()


@pytest.mark.parametrize(
    "category", ["read", "write", "hash", "sortedset", "set", "list", "string", "stream", "keyspace", "pubsub"]
)
def test_a_user_who_lacks_a_category_is_refused(user: User, namespace: str, category: str) -> None:
    assert "grant it with `ACL SETUSER" in refusal(user(*ALL, f"-@{category}"), namespace)


@pytest.mark.parametrize("rule", ["-info", "-time", "-blpop", "-xtrim", "-copy"])
def test_a_user_who_lacks_one_command_is_refused(user: User, namespace: str, rule: str) -> None:
    assert f"may not run {rule[1:].upper()} on" in refusal(user(*ALL, rule), namespace)


@pytest.mark.parametrize("rule", ["-@scripting", "-evalsha"])
def test_a_user_who_may_run_no_script_is_told_so(user: User, namespace: str, rule: str) -> None:
    assert "grant them with `ACL SETUSER" in refusal(user(*ALL, rule), namespace)


def test_a_user_of_other_keys_is_refused(user: User, namespace: str) -> None:
    store = Store(user("~other:*", "&*", "+@all"), namespace)
    with pytest.raises(StoreUnavailable, match="grant them with `ACL SETUSER"):
        store.run(denied_commands(store.keys))
    store.close()


async def test_a_worker_does_not_start_with_such_a_user(user: User, namespace: str) -> None:
    store = AsyncStore(user("~*", "+@all", "resetchannels"), namespace)
    with pytest.raises(StoreUnavailable, match="may not run PUBLISH"):
        await enter(store, Fleet())
    await store.aclose()


def test_the_granted_rights_carry_a_job_to_its_end(user: User, namespace: str) -> None:
    address = user()
    rules = acl_line(address, Keys(namespace)).split(" ")[3:]
    cell = Cell(user(*rules), namespace)
    cell.submit("a")
    cell.settle(cell.claim())
    cell.sweep()
    assert cell.state("a") == "succeeded"
    cell.store.close()


def test_rights_to_channels_that_are_taken_away_later_lose_nothing_of_an_end(user: User, namespace: str) -> None:
    cell = Cell(user("~*", "+@all", "resetchannels"), namespace)
    cell.submit("a")
    cell.settle(cell.claim())
    assert cell.state("a") == "succeeded"
    assert cell.counters()["live"] == 0
    cell.store.close()


def test_the_default_user_may_run_all(store_address: StoreAddress, namespace: str) -> None:
    client = connect_sync(store_address)
    store = Store(store_address, namespace)
    assert store.run(denied_commands(store.keys)) == ()
    store.close()
    client.close()
