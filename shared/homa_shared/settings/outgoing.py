"""What of an account's settings goes out with each call, and whether it can: a key, header or name of an organisation
that no header may hold would fail every call of the fleet, so it is refused before the first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from homa_shared.kinds.registry import profile_of
from homa_shared.model.errors import ConfigError
from homa_shared.settings.proxies import proxy_for
from homa_shared.settings.sections import ProviderSettings

#: A header's name (RFC 9110, 5.6.2).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
#: Options that become headers or parts of a signature.
_IN_HEADERS = ("organization", "project", "aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def check_outgoing(name: str, given: ProviderSettings) -> None:
    """Refuses what cannot be sent.

    Raises:
        ConfigError: naming the setting and what is wrong with it, never its value.
    """
    trouble = next(_troubles(name, given), None)
    if trouble is not None:
        raise ConfigError(trouble)
    try:
        proxy_for(given.base_url or profile_of(given.kind).connection.address({"region": given.region}) or "")
    except ConfigError as error:
        raise ConfigError(f"provider {name!r}: {error}") from None


def check_key(name: str, key: str, setting: str) -> None:
    """Refuses a key that cannot be sent.

    Raises:
        ConfigError: naming the setting and what is wrong with it, never its value.
    """
    lack = _lack_of_word(key)
    if lack is not None:
        raise ConfigError(f"the key of provider {name!r} {lack}, so that no call could be sent. Mend {setting}.")


def _troubles(name: str, given: ProviderSettings) -> Iterator[str]:
    key = given.key()
    if key is not None:
        where = f"the file {given.api_key_file}" if given.api_key_file else f"HOMA_PROVIDERS__{name.upper()}__API_KEY"
        check_key(name, key, where)
    mend = f"so that no call could be sent. Mend [providers.{name}.options]."
    for option in _IN_HEADERS:
        value = given.options.get(option)
        if value is not None and (lack := _lack_of_word(value)):
            yield f"the option {option} of provider {name!r} {lack}, {mend}"
    headers = given.options.get("headers", {})
    if not isinstance(headers, Mapping):
        yield f"the option headers of provider {name!r} is not a table, {mend}"
        return
    for header, value in headers.items():
        if not _TOKEN.fullmatch(header):
            yield f"the header {header!r} of provider {name!r} has a name that no header may have, {mend}"
        if lack := _lack_of_value(value):
            yield f"the header {header!r} of provider {name!r} {lack}, {mend}"


def _lack_of_word(value: Any) -> str | None:
    """Why a key cannot stand in a header; None where it can."""
    if isinstance(value, str) and re.search(r"[ \t]", value.strip("\r\n")):
        return "holds a blank"
    return _lack_of_value(value)


def _lack_of_value(value: Any) -> str | None:
    if not isinstance(value, str):
        return "is not text"
    if not value:
        return "is empty"
    if re.search(r"[\r\n]", value):
        return "holds a line break"
    if value != value.strip():
        return "begins or ends with a blank"
    if not value.isascii():
        return "holds a character outside ASCII"
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return "holds a control character"
    return None
