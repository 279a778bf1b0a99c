"""Variables that providers' own tools read, such as OPENAI_API_KEY: where one is set, the provider exists.

They are the weakest source: whatever Homa's own variables or homa.toml say of the same provider overrides them.
Each kind's profile says which it has; kinds of other packages are asked only where a stronger source names a provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from homa_shared.kinds.profile import Variable
from homa_shared.kinds.registry import builtin_kinds, is_kind, profile_of
from homa_shared.settings.toml_lines import SettingPath


class _Offer(NamedTuple):
    """What a variable says of the provider that has the name of its kind."""

    provider: str
    setting: str
    value: str
    variable: str


def conventional(
    env: Mapping[str, str], given: Mapping[str, Mapping[str, Any]], *, plugins: bool = True
) -> Iterator[tuple[SettingPath, Any, str]]:
    """Settings that conventional variables stand for: path, value, name of the variable.

    Args:
        given: the providers that stronger sources configure; a variable serves one of them only if its kind is the
            variable's own, and its key only if the provider has none.
        plugins: whether kinds of other packages are asked.

    Raises:
        ConfigError: a provider is of a kind whose package cannot be loaded.
    """
    if env.get("SENTRY_DSN"):
        yield ("sentry_dsn",), env["SENTRY_DSN"], "SENTRY_DSN"
    offered = [offer for kind in _kinds(given, plugins=plugins) for offer in _offers(kind, env, given.get(kind, {}))]
    accounts = given.keys() | {offer.provider for offer in offered if offer.setting == "kind"}
    for provider, setting, value, variable in offered:
        settled = given.get(provider, {})
        has_key = setting == "api_key" and "api_key_file" in settled
        # An address or a region alone does not make an account.
        if provider in accounts and settled.get("kind", provider) == provider and not has_key:
            yield ("providers", provider, setting), value, variable


def _kinds(given: Mapping[str, Mapping[str, Any]], *, plugins: bool) -> Iterator[str]:
    yield from builtin_kinds()
    for name, settled in given.items() if plugins else ():
        if name not in builtin_kinds() and settled.get("kind", name) == name and is_kind(name):
            yield name


def _offers(kind: str, env: Mapping[str, str], settled: Mapping[str, Any]) -> Iterator[_Offer]:
    variables = profile_of(kind).connection.variables
    for variable in variables:
        name = next((name for name in variable.names if _says(env, name)), None)
        if name is None or not _usable(variable, variables, env, settled):
            continue
        if variable.makes_account:
            yield _Offer(kind, "kind", kind, name)
        if variable.setting:
            yield _Offer(kind, variable.setting, variable.value_of(env[name]), name)


def _says(env: Mapping[str, str], name: str) -> bool:
    """Whether a variable says anything: one that is blank counts as unset, as an empty one does."""
    return bool(env.get(name, "").strip())


def _usable(variable: Variable, others: Iterable[Variable], env: Mapping[str, str], settled: Mapping[str, Any]) -> bool:
    """Whether what a variable needs is there: Azure's key is of no use without the address of its resource."""
    given = {other.setting for other in others if any(_says(env, name) for name in other.names)}
    return not variable.needs or variable.needs in given or variable.needs in settled
