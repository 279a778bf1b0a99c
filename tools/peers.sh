#!/bin/sh
# Runs the tests that need other people's imitations of services: aimock (the providers), moto (S3), Azurite (Azure's
# blobs) and a Cloud Storage emulator; those of the gateway with the official clients for Node.js, and with other people's:
# LiteLLM, LangChain, Instructor, autobatcher, curator and Vercel's AI SDK; and those of recipes with other people's
# frameworks: Celery, pydantic-ai, LangChain, Airflow and Dagster. They are installed into a temporary directory, which is
# gone afterwards: what they depend on would not go with the pinned requirements. PY is the interpreter that has those;
# arguments are pytest's.
set -eu

command -v npm >/dev/null || { echo "peers: npm is missing; on Debian: apt-get install npm" >&2; exit 1; }

peers=$(mktemp -d)
trap 'rm -rf "$peers"' EXIT
trap 'exit 130' INT TERM

echo "peers: installing aimock, Azurite, moto, a Cloud Storage emulator and clients for Node.js (a minute)" >&2
npm install --silent --no-audit --no-fund --prefix "$peers" @copilotkit/aimock azurite openai @anthropic-ai/sdk \
    ai @ai-sdk/openai @ai-sdk/anthropic zod
"$PY" -m venv "$peers/python"
"$peers/python/bin/python" -m pip --disable-pip-version-check --no-input --quiet install 'moto[server,s3]' gcp-storage-emulator

# Clients of the gateway: without Homa beside them.
clients() {
    name=$1
    shift
    echo "peers: installing $*" >&2
    "$PY" -m venv "$peers/$name"
    "$PY" -m uv --no-config pip install --quiet --python "$peers/$name/bin/python" "$@"
}
clients clients litellm langchain-openai instructor autobatcher
clients curator bespokelabs-curator

beside() {
    name=$1
    shift
    echo "peers: installing $*" >&2
    "$PY" -m venv "$peers/$name"
    "$PY" -m uv --no-config pip install --quiet --python "$peers/$name/bin/python" . "$@"
}
beside beside celery 'pydantic-ai-slim[openai]' langchain-openai
beside airflow apache-airflow-core
beside dagster dagster

HOMA_TEST_BESIDE="$peers/beside/bin/python" \
    HOMA_TEST_AIRFLOW="$peers/airflow/bin/python" \
    HOMA_TEST_DAGSTER="$peers/dagster/bin/python" \
    HOMA_TEST_THIRD_PARTY="$peers/clients/bin/python" \
    HOMA_TEST_CURATOR="$peers/curator/bin/python" \
    HOMA_TEST_AIMOCK="$peers/node_modules/.bin/llmock" \
    HOMA_TEST_AZURITE="$peers/node_modules/.bin/azurite-blob" \
    HOMA_TEST_MOTO="$peers/python/bin/moto_server" \
    HOMA_TEST_CLOUD_STORAGE="$peers/python/bin/gcp-storage-emulator" \
    HOMA_TEST_NODE_CLIENTS="$peers" \
    "$PY" -m pytest tests/matrix/test_peers.py tests/media/test_buckets.py tests/gateway/test_node_clients.py \
    tests/gateway/test_third_party_clients.py tests/recipes/test_beside.py "$@"
