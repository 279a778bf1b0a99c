"""A wrong setting in one line: its name, its value, where it came from, what was expected, and what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr, ValidationError

from homa_shared.model.targets import nearest
from homa_shared.settings import schema
from homa_shared.settings.sources import Gathered
from homa_shared.settings.toml_lines import SettingPath, dotted

MASK = "********"
_SECRET_NAMES = ("key", "dsn", "secret", "token", "password", "credential", "authorization", "signature")
#: Tables and lists all of whose values are secrets.
_SECRETS = frozenset({"deliver_secret", "deliver_secrets"})
_NO_SECRET = frozenset({"api_key_file", "keys", "max_tokens", "max_completion_tokens"})
#: What was expected, by pydantic's type of error; `{…}` are its own details.
_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}


def explain(error: ValidationError, settings: type[BaseModel], gathered: Gathered) -> str:
    """All faults that validation found, a line each."""
    return "\n".join(_fault(fault, settings, gathered) for fault in error.errors(include_url=False))


def masked(path: SettingPath, value: Any) -> Any:
    """A value as it may be shown: keys hidden, passwords in addresses too."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked((*path, str(key)), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and path[:1] and path[0] in _SECRETS:
        return [MASK for _ in value]
    if value is not None and path and (path[0] in _SECRETS or _is_secret(path[-1])):
        return MASK
    return without_passwords(value) if isinstance(value, str) and "://" in value else value


def _fault(fault: Any, settings: type[BaseModel], gathered: Gathered) -> str:
    # "[key]" is pydantic's mark for a fault in the name of an entry itself.
    path = tuple(str(part) for part in fault["loc"] if part != "[key]")
    origin = gathered.origin(path) or "default"
    name = dotted(path)
    if fault["type"] == "extra_forbidden":
        return f"{name} ({origin}) is not a setting{_meant(path, settings)}"
    if fault["type"] == "missing":
        choices = ", ".join(schema.choices(schema.at(settings, path)))
        return f"{name} is missing ({origin}): expected {f'one of {choices}' if choices else 'it to be set'}"
    shown = "" if isinstance(fault["input"], Mapping | BaseModel) else f" = {_written(masked(path, fault['input']))}"
    return f"{name}{shown} ({origin}): {_expected(fault)}"


def _expected(fault: Any) -> str:
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    wording = _EXPECTED.get(fault["type"])
    return f"expected {wording.format(**fault.get('ctx', {}))}" if wording else str(fault["msg"])


def _meant(path: SettingPath, settings: type[BaseModel]) -> str:
    known = schema.names(schema.at(settings, path[:-1]))
    close = nearest(path[-1], known)
    return f"; did you mean {close}?" if close else f": expected one of {', '.join(known)}"


def _written(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _is_secret(name: str) -> bool:
    return name.lower() not in _NO_SECRET and any(secret in name.lower() for secret in _SECRET_NAMES)


def secret_parts(url: str) -> list[str]:
    """What `without_passwords` hides of a URL."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return []
    hidden = [value for name, value in parse_qsl(parts.query) if _is_secret(name)]
    return [*([unquote(password)] if password else []), *hidden]


def without_passwords(url: str) -> str:
    """A URL whose user part and query show no password: `redis://u:…@host`, `?api-key=…`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # Not an address at all, which the message is about to say; where a password would be in it nobody knows.
        url = url.partition("?")[0]
        return f"{MASK}@{url.rpartition('@')[2]}" if "@" in url else url
    credentials, at, host = parts.netloc.rpartition("@")
    user, colon, _ = credentials.partition(":")
    query = [(name, MASK if _is_secret(name) else value) for name, value in parse_qsl(parts.query)]
    if not at and all(value != MASK for _, value in query):
        return url
    return urlunsplit(
        parts._replace(
            netloc=f"{user}:{MASK}@{host}" if colon else f"{MASK}@{host}" if at else host,
            query=urlencode(query, safe="*/:") if query else parts.query,
        )
    )
