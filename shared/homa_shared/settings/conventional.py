"""Variables that providers' own tools read, such as OPENAI_API_KEY: where one is set, the provider exists.

They are the weakest source: whatever Homa's own variables or homa.toml say of the same provider overrides them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from homa_shared.settings.toml_lines import SettingPath

#: Provider → the variable of its key.
KEY_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "cohere": "CO_API_KEY",
}
#: Each of these alone makes AWS's own credential chain work.
AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
OLLAMA_PORT = 11434
#: Provider, setting, value, variable.
_Offer = tuple[str, str, str, str]


def conventional(
    env: Mapping[str, str], given: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[SettingPath, Any, str]]:
    """Settings that conventional variables stand for: path, value, name of the variable.

    Args:
        given: the providers that stronger sources configure; a variable serves one of them only if its kind is the
            variable's own, and its key only if the provider has none.
    """
    if env.get("SENTRY_DSN"):
        yield ("sentry_dsn",), env["SENTRY_DSN"], "SENTRY_DSN"
    offered = [*_keys(env, given), *_addresses(env), *_aws(env)]
    accounts = given.keys() | {provider for provider, key, _, _ in offered if key == "kind"}
    for provider, key, value, variable in offered:
        settled = given.get(provider, {})
        has_key = key == "api_key" and "api_key_file" in settled
        # An address or a region alone does not make an account.
        if provider in accounts and settled.get("kind", provider) == provider and not has_key:
            yield ("providers", provider, key), value, variable


def _keys(env: Mapping[str, str], given: Mapping[str, Mapping[str, Any]]) -> Iterator[_Offer]:
    for provider, variable in KEY_VARIABLES.items():
        # Azure's key is of no use without the address of the resource that it opens.
        usable = provider != "azure" or env.get("AZURE_OPENAI_ENDPOINT") or "base_url" in given.get("azure", {})
        if env.get(variable) and usable:
            yield provider, "kind", provider, variable
            yield provider, "api_key", env[variable], variable


def _addresses(env: Mapping[str, str]) -> Iterator[_Offer]:
    for provider in ("openai", "anthropic"):
        variable = f"{provider.upper()}_BASE_URL"
        if env.get(variable):
            yield provider, "base_url", env[variable], variable
    if env.get("AZURE_OPENAI_ENDPOINT"):
        yield "azure", "base_url", _azure_url(env["AZURE_OPENAI_ENDPOINT"]), "AZURE_OPENAI_ENDPOINT"
    if env.get("OLLAMA_HOST"):
        yield "ollama", "kind", "ollama", "OLLAMA_HOST"
        yield "ollama", "base_url", _ollama_url(env["OLLAMA_HOST"]), "OLLAMA_HOST"


def _aws(env: Mapping[str, str]) -> Iterator[_Offer]:
    variable = next((name for name in AWS_VARIABLES if env.get(name)), None)
    if variable is not None:
        yield "bedrock", "kind", "bedrock", variable
    region = next((name for name in REGION_VARIABLES if env.get(name)), None)
    if region is not None:
        yield "bedrock", "region", env[region], region


def _azure_url(endpoint: str) -> str:
    """Azure's v1 endpoint, which takes no api-version and speaks OpenAI's protocol."""
    address = endpoint.rstrip("/")
    return address if "/openai" in address else f"{address}/openai/v1"


def _ollama_url(host: str) -> str:
    """OLLAMA_HOST may leave out scheme and port, and 0.0.0.0 is an address to listen on, not one to call."""
    address = urlsplit(host if "://" in host else f"http://{host}")
    name = "127.0.0.1" if address.hostname in (None, "0.0.0.0", "::") else address.hostname
    name = f"[{name}]" if ":" in str(name) else name
    port = address.port or (443 if address.scheme == "https" else OLLAMA_PORT)
    return f"{address.scheme}://{name}:{port}{address.path.rstrip('/').removesuffix('/v1')}/v1"
