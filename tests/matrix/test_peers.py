"""The matrix at aimock, a mock of the same providers that other people wrote: it reads requests with other eyes.

    make test-peers

installs it with npm into a temporary directory and runs it on the loopback. What aimock itself does not do is listed in
`BEYOND_IT`; that the list holds is checked, so that a newer aimock makes it shorter.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from homa_workers.providers.base import Provider
from tests.matrix.conftest import AWS, BEYOND, CASES, ENDS, HELD, connect
from tests.matrix.features import PROOFS, kind_of, offered

AIMOCK = "HOMA_TEST_AIMOCK"
pytestmark = pytest.mark.skipif(AIMOCK not in os.environ, reason=f"{AIMOCK} is not set: make test-peers sets it")

#: Kind -> path at aimock.
PATHS = {
    "openai": "/v1",
    "azure": "/v1",
    "anthropic": "",
    "gemini": "",
    "ollama": "/v1",
    "bedrock": "",
    "cohere": "/v1",
    "mistral": "/v1",
}
#: aimock knows one version of Gemini's API, which is not the one that Google's SDK speaks by default.
OPTIONS: Mapping[str, Mapping[str, str]] = {"bedrock": AWS, "gemini": {"api_version": "v1beta"}}
#: What aimock 1.43 does not do: no counting; embeddings neither by Bedrock's InvokeModel nor by Gemini's
#: batchEmbedContents; a stream of Bedrock's that botocore can read (it opens text blocks, whose start must not be
#: empty); a function call of Gemini's that ends, as Gemini's do, with STOP.
BEYOND_IT = frozenset(
    {("bedrock", column) for column in ("count", "embeddings", "stream")}
    | {("gemini", column) for column in ("count", "embeddings", "tools")}
    | {("anthropic", "count")}
)


@pytest.fixture(scope="module")
def aimock() -> Iterator[str]:
    """URL of an aimock."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fixtures = Path(__file__).with_name("peers.json")
    command = [os.environ[AIMOCK], "--port", str(port), "--fixtures", str(fixtures), "--log-level", "warn"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_listening(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _until_listening(port: int) -> None:
    give_up_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < give_up_s, "aimock does not listen within 20 s"
            time.sleep(0.05)
        else:
            return


@pytest.fixture
async def provider(kind: str, aimock: str) -> AsyncIterator[Provider]:
    made = connect(kind_of(kind), aimock + PATHS[kind_of(kind)], **OPTIONS.get(kind, {}))
    yield made
    await made.aclose()


@pytest.mark.parametrize(("kind", "column"), [case for case in CASES if case[1] in PROOFS])
async def test_an_adapter_gets_along_with_somebody_elses_mock(
    kind: str, column: str, provider: Provider, record_property: Callable[[str, object], None]
) -> None:
    if not offered(kind, column):
        return
    models = replace(ENDS[kind][1], counts=False)
    if (kind, column) not in BEYOND_IT:
        await PROOFS[column](provider, models)
        return
    record_property(HELD, BEYOND)
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever it is that it does not do
        await PROOFS[column](provider, models)
