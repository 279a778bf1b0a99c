"""A store's URL is checked before anything connects, and its secrets never show."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa_shared.model.errors import ConfigError
from homa_shared.store.address import StoreAddress, masked


def test_a_redis_url_has_a_default_port_and_database() -> None:
    address = StoreAddress.parse("redis://store")
    assert (address.scheme, address.hosts, address.db) == ("redis", (("store", 6379),), 0)
    assert (address.username, address.password) == (None, None)


def test_a_redis_url_in_full() -> None:
    address = StoreAddress.parse(" redis://us%40er:p%3Aw%2F@10.0.0.1:7000/3 ")
    assert address.hosts == (("10.0.0.1", 7000),)
    assert (address.username, address.password, address.db) == ("us@er", "p:w/", 3)


def test_a_password_needs_no_user() -> None:
    assert StoreAddress.parse("redis://:pw@store").password == "pw"


def test_an_ipv6_host_stands_in_brackets() -> None:
    assert StoreAddress.parse("redis://[::1]:7000").hosts == (("::1", 7000),)


def test_tls_takes_its_files_as_options() -> None:
    address = StoreAddress.parse("rediss://store?ssl_ca_certs=/ca.pem&ssl_cert_reqs=none")
    assert address.options == {"ssl_ca_certs": "/ca.pem", "ssl_cert_reqs": "none"}


def test_a_unix_url_has_a_path_and_may_have_a_database() -> None:
    address = StoreAddress.parse("unix:///run/my%20store.sock?db=2")
    assert (address.socket_path, address.db, address.hosts) == (Path("/run/my store.sock"), 2, ())


def test_a_sentinel_url_has_hosts_a_service_and_the_sentinels_own_password() -> None:
    address = StoreAddress.parse("redis+sentinel://u:pw@s1,s2:7001,[::1]:7002/main/4?sentinel_password=other")
    assert address.hosts == (("s1", 26379), ("s2", 7001), ("::1", 7002))
    assert (address.service, address.db, address.password) == ("main", 4, "pw")
    assert address.options == {"sentinel_password": "other"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_socket_may_be_at_any_path(name: str) -> None:
    path = Path("/") / name
    if path != Path("/"):
        assert StoreAddress.of_socket(path).socket_path == path


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "is no store address"),
        ("localhost:6379", "is no store address"),
        ("http://store", "is no store address"),
        ("redis://", "no usable host"),
        ("redis://a b", "no usable host"),
        ("redis://store:port", "no usable host"),
        ("redis://::1", "no usable host"),
        ("redis://store:0", "a port that is not between 1 and 65535"),
        ("redis://store:70000", "a port that is not between 1 and 65535"),
        ("redis://store/first", "a database that is not a number"),
        ("redis://one,two", "several hosts"),
        ("redis://store?db=1", "unknown option 'db'"),
        ("rediss://store?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        ("rediss://store?ssl_check_hostname=maybe", "ssl_check_hostname"),
        ("unix://relative/path", "three slashes"),
        ("unix:///", "three slashes"),
        ("unix:///run/s?db=x", "a database that is not a number"),
        ("redis+sentinel://s1,s2", "no service"),
        ("redis+sentinel://s1,,s2/main", "no usable host"),
    ],
)
def test_junk_is_named_with_what_was_expected(url: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        StoreAddress.parse(url)
    message = str(caught.value)
    assert message.startswith(f"HOMA_REDIS_URL: {url!r} ")
    assert complaint in message
    assert "expected redis://host:6379/0" in message


def test_the_origin_of_junk_is_named() -> None:
    with pytest.raises(ConfigError, match=r"redis_url in homa\.toml: 'junk'"):
        StoreAddress.parse("junk", origin="redis_url in homa.toml")


def what_shows(url: str) -> str:
    """All that people get to see of a URL, be it good or junk."""
    try:
        address = StoreAddress.parse(url)
    except ConfigError as error:
        return str(error)
    return f"{address} {address!r}"


@pytest.mark.parametrize(
    "password", ["secret", "sec@ret", "sec/ret", "sec:ret", "12/secret", "sec@ret/0?secret", "a#secret"]
)
@pytest.mark.parametrize(
    "url", ["redis://user:{}@store/0", "rediss://:{}@store", "redis+sentinel://u:{}@a,b/main", "junk://u:{}@s"]
)
def test_a_password_never_shows_however_badly_it_is_escaped(url: str, password: str) -> None:
    assert "ret" not in what_shows(url.format(password))


def test_a_sentinels_password_never_shows() -> None:
    address = StoreAddress.parse("redis+sentinel://s1/main?sentinel_password=secret")
    assert str(address) == "redis+sentinel://s1/main?sentinel_password=***"
    assert "secret" not in repr(address)


def test_masking_keeps_what_is_no_secret() -> None:
    assert masked("redis://user:pw@store:7000/1") == "redis://user:***@store:7000/1"
    assert masked("redis+sentinel://a:1,b:2/main") == "redis+sentinel://a:1,b:2/main"
    assert masked("unix:///run/store.sock") == "unix:///run/store.sock"
