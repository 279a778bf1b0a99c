"""The matrix at real providers, each where its key is in the environment: a few hundredths of a cent a run.

    OPENAI_API_KEY=… ANTHROPIC_API_KEY=… make test-live

HOMA_TEST_LIVE_<KIND>_MODEL and HOMA_TEST_LIVE_<KIND>_EMBEDDING name other models than the cheap ones below.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from homa_workers.providers.base import Provider
from tests.matrix.conftest import TOOLS_ON_CHAT, connect
from tests.matrix.features import PROOFS, Models, api_of, asked_of, kind_of, offered

pytestmark = pytest.mark.live

#: Kind -> the variable that holds its key.
KEYS = {
    "openai": "OPENAI_API_KEY",
    "azure": "AZURE_OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "ollama": "OLLAMA_HOST",
    "bedrock": "AWS_ACCESS_KEY_ID",
    "cohere": "CO_API_KEY",
    "mistral": "MISTRAL_API_KEY",
}
#: An image that every provider can reach.
PICTURE = "https://upload.wikimedia.org/wikipedia/commons/thumb/4/47/PNG_transparency_demonstration_1.png/240px-PNG_transparency_demonstration_1.png"
CHEAP = {
    "openai": Models(TOOLS_ON_CHAT, "text-embedding-3-small", PICTURE),
    "azure": Models(TOOLS_ON_CHAT, "text-embedding-3-small", PICTURE),
    "anthropic": Models("claude-haiku-5-5", "", PICTURE),
    "gemini": Models("gemini-3.5-flash-lite", "gemini-embedding-001", PICTURE),
    "ollama": Models("qwen3-vl:2b", "nomic-embed-text"),
    "bedrock": Models("us.amazon.nova-2-lite-v1:0", "amazon.titan-embed-text-v2:0"),
    "cohere": Models("command-a-vision-07-2025", "embed-v4.0", PICTURE),
    "mistral": Models("ministral-3b-2512", "mistral-embed", PICTURE),
}
#: Row (a kind, or `kind/api`) and column of each proof.
LIVE = [
    (row, column)
    for row in (*KEYS, "openai/responses", "azure/responses")
    for column in asked_of(row)
    if column in PROOFS
]


def models(kind: str) -> Models:
    name = f"HOMA_TEST_LIVE_{kind_of(kind).upper()}"
    cheap = CHEAP[kind_of(kind)]
    return Models(
        os.environ.get(f"{name}_MODEL", cheap.chat),
        os.environ.get(f"{name}_EMBEDDING", cheap.embedding),
        PICTURE,
        api=api_of(kind),
    )


@pytest.fixture
async def provider(kind: str) -> AsyncIterator[Provider]:
    key = os.environ.get(KEYS[kind_of(kind)])
    if not key:
        pytest.skip(f"no keys in the environment: {KEYS[kind_of(kind)]}")
    made = _connect(kind_of(kind), key)
    yield made
    await made.aclose()


def _connect(kind: str, key: str) -> Provider:
    match kind:
        case "azure":
            endpoint = os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/")
            return connect(kind, f"{endpoint}/openai/v1/", key)
        case "ollama":
            host = key if "://" in key else f"http://{key}"
            return connect(kind, f"{host.rstrip('/')}/v1", None)
        case "bedrock":
            return connect(kind, None, None, region=os.environ.get("AWS_REGION", "us-east-1"))
    return connect(kind, None, key)


@pytest.mark.parametrize(("kind", "column"), LIVE)
async def test_a_real_provider_does_what_it_is_said_to_offer(kind: str, column: str, provider: Provider) -> None:
    if offered(kind, column):
        await PROOFS[column](provider, models(kind))
