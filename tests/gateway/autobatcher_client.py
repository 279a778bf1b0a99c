"""What autobatcher makes of an application's calls: background responses, batches of files; prints one JSON document.

Run in an environment of its own: `autobatcher_client.py URL MODEL EMBEDDER`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from autobatcher import BatchOpenAI

url, model, embedder = sys.argv[1:]


async def main() -> None:
    options: dict[str, Any] = {"batch_window_seconds": 0.2, "poll_interval_seconds": 0.2, "max_retries": 0}
    found: dict[str, Any] = {}
    async with BatchOpenAI(base_url=f"{url}/v1", api_key="none", **options) as client:
        asked = [client.chat.completions.create(model=model, messages=_said(f"hello {n}")) for n in range(4)]
        found["flex"] = [reply.choices[0].message.content for reply in await asyncio.gather(*asked)]
        vectors = await client.embeddings.create(model=embedder, input=["one", "two"])
        found["embeddings"] = [len(row.embedding) for row in vectors.data]
    async with BatchOpenAI(base_url=f"{url}/v1", api_key="none", completion_window="24h", **options) as client:
        asked = [client.chat.completions.create(model=model, messages=_said(f"hello {n}")) for n in range(4)]
        found["batch"] = [reply.choices[0].message.content for reply in await asyncio.gather(*asked)]
        response = await client.responses.create(model=model, input="hello")
        found["response"] = response.output_text
    sys.stdout.write(json.dumps(found))


def _said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


asyncio.run(main())
