"""What goes out with each call is looked at before the first: keys, headers, proxies."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from homa_shared.model.errors import ConfigError
from homa_shared.settings.outgoing import check_outgoing
from homa_shared.settings.proxies import proxy_for, proxy_passwords
from homa_shared.settings.sections import ProviderSettings

URL = "https://api.example.com/v1"


def given(**fields: object) -> ProviderSettings:
    return ProviderSettings.model_validate({"kind": "openai", **fields})


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("key", "lack"),
    [
        ("sk-1\nsk-2", "holds a line break"),
        ("sk-1\r\n", "holds a line break"),
        ("sk 1", "holds a blank"),
        (" sk-1", "holds a blank"),
        ("sk-\N{EN DASH}1", "holds a character outside ASCII"),
        ("sk-\x001", "holds a control character"),
    ],
)
def test_a_key_that_no_header_may_hold_is_refused_without_being_shown(key: str, lack: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_outgoing("main", given(api_key=SecretStr(key)))
    told = str(caught.value)
    assert lack in told
    assert "HOMA_PROVIDERS__MAIN__API_KEY" in told
    assert "sk" not in told


def test_so_is_one_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-1\nsk-2\n")
    with pytest.raises(ConfigError, match=f"holds a line break.*{path}"):
        check_outgoing("main", given(api_key_file=path))


@pytest.mark.parametrize("option", ["organization", "project", "aws_secret_access_key"])
def test_so_is_an_option_that_becomes_a_header(option: str) -> None:
    with pytest.raises(ConfigError, match=f"option {option} of provider 'main' holds a line break"):
        check_outgoing("main", given(options={option: "a\nb"}))


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x-a": "a\nb"}, "'x-a' of provider 'main' holds a line break"),
        ({"x-a": "ü"}, "holds a character outside ASCII"),
        ({"x-a": " a"}, "begins or ends with a blank"),
        ({"x-a": ""}, "is empty"),
        ({"x-a": 1}, "is not text"),
        ({"x a": "a"}, "has a name that no header may have"),
        ("x-a: a", "headers of provider 'main' is not a table"),
    ],
)
def test_so_are_headers(headers: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_outgoing("main", given(options={"headers": headers}))


def test_what_can_be_sent_is_let_pass() -> None:
    options = {"organization": "org-1", "headers": {"authorization": "Bearer a b", "x-a": "a, b; c=1"}}
    check_outgoing("main", given(api_key=SecretStr("sk-proj_1.2"), options=options))


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "ftp"])
def test_a_proxy_that_no_transport_speaks_to_is_refused(
    name: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"{scheme}://me:hunter2@proxy.example:1080")
    with pytest.raises(ConfigError) as caught:
        check_outgoing("main", given(base_url=URL))
    assert f"provider 'main': {name} names a proxy of kind {scheme}://" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://", "http://proxy:port", "http://pro xy:1", "http://proxy:99999"])
def test_a_proxy_whose_address_is_of_no_use_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match="is not the address of a proxy"):
        proxy_for(URL, {"https_proxy": proxy})


@pytest.mark.parametrize(
    ("env", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://a:1"}, "http://a:1"),
        ({"https_proxy": "a:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "http://b:1"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": ""}, None),
        ({"ALL_PROXY": "http://a:1"}, "http://a:1"),
        ({"https_proxy": "http://a:1", "all_proxy": "socks5://b:1"}, "http://a:1"),
        ({"http_proxy": "http://a:1"}, None),
    ],
)
def test_variables_of_proxies_are_read_as_curl_reads_them(env: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(URL, env) == proxy


def test_whoever_calls_a_cgi_script_sets_no_proxy() -> None:
    env = {"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}
    assert proxy_for("http://api.example.com", env) is None
    assert proxy_for("http://api.example.com", {"HTTP_PROXY": "http://a:1"}) == "http://a:1"


@pytest.mark.parametrize(
    ("url", "no_proxy", "exempt"),
    [
        ("https://api.example.com", "example.com", True),
        ("https://api.example.com", ".example.com", True),
        ("https://api.example.com", "*.example.com", True),
        ("https://example.com", ".example.com", True),
        ("https://notexample.com", "example.com", False),
        ("https://api.example.com", "*", True),
        ("https://api.example.com", "a.com, API.EXAMPLE.COM", True),
        ("https://api.example.com", "a.com api.example.com", True),
        ("https://api.example.com", "api.example.com:443", True),
        ("https://api.example.com", "api.example.com:8443", False),
        ("https://api.example.com:8443", "api.example.com:8443", True),
        ("http://10.1.2.3:8000", "10.0.0.0/8", True),
        ("http://11.1.2.3:8000", "10.0.0.0/8", False),
        ("http://10.1.2.3:8000", "10.1.2.3", True),
        ("http://10.1.2.3:8000", "10.1.2.3:8000", True),
        ("http://10.1.2.3:8000", "10.1.2.3:80", False),
        ("http://110.1.2.3", "10.1.2.3", False),
        ("http://[fd00::1]:80", "fd00::/8", True),
        ("http://[fd00::1]:80", "[fd00::1]:80", True),
        ("http://[fd00::1]:80", "fd00::1", True),
        ("https://api.example.com", "", False),
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_hosts_without_a_proxy_are_told_by_name_port_and_network(
    url: str, no_proxy: str, exempt: bool, name: str
) -> None:
    proxy = proxy_for(url, {"all_proxy": "http://a:1", name: no_proxy})
    assert (proxy is None) is exempt


def test_an_exempt_host_needs_no_proxy_that_calls_can_go_through() -> None:
    assert proxy_for(URL, {"all_proxy": "socks5://a:1", "no_proxy": "example.com"}) is None


def test_passwords_of_proxies_are_known() -> None:
    env = {"https_proxy": "http://me:hunter%40two@a:1", "all_proxy": "me:other@b:1", "http_proxy": "http://[::1"}
    assert proxy_passwords(env) == ["hunter@two", "other"]
