"""A client, a worker and a stub of a provider, around one store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from homa import AsyncHoma
from homa_shared.settings.model import Settings
from homa_shared.store import reads
from homa_shared.store.address import StoreAddress
from homa_shared.store.blobs import BlobsUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_workers.process.build import WorkerProcess, build
from tests.providers.stub import Stub


class Stand:
    """A client, a worker and one stub that plays all providers."""

    def __init__(self, settings: Settings, stub: Stub) -> None:
        assert settings.redis_url is not None
        self.settings, self.stub = settings, stub
        self.homa = AsyncHoma(settings=settings)
        self.address = StoreAddress.parse(settings.redis_url)
        self.store = AsyncStore(self.address, settings.namespace, role="test")
        self._process: WorkerProcess | None = None
        self._served: list[asyncio.Task[None]] = []

    async def work(self, settings: Settings | None = None) -> WorkerProcess:
        self._process = await build(settings or self.settings, self.address, ["openai", "ollama"])
        self._served = [asyncio.create_task(worker.serve()) for worker in self._process.workers]
        return self._process

    async def close(self) -> None:
        if self._process is not None:
            self._process.drain()
            await asyncio.gather(*self._served)
            await self._process.aclose()
        await self.homa.aclose()
        await self.store.aclose()

    async def stored_request(self, job_id: str) -> bytes:
        view = await self.store.run(reads.job(self.store.keys, job_id))
        assert view is not None
        assert view.request is not None
        return view.request

    async def kept(self) -> list[str]:
        """Keys of media in the store."""
        pattern = f"{self.store.keys.prefix}m[dpju]*"
        found: list[str] = []
        cursor = b"0"
        while True:
            cursor, names = await self.store.run(
                Op((("SCAN", cursor, "MATCH", pattern, "COUNT", 10_000),), lambda replies: replies[0])
            )
            found += [name.decode().removeprefix(self.store.keys.prefix) for name in names]
            if cursor in (b"0", 0):
                return sorted(found)


class Away:
    """A blob store that cannot be reached."""

    url = "s3://away"

    async def put_async(self, path: str, data: bytes) -> None:
        await self.get_async(path)

    async def get_async(self, path: str) -> bytes | None:
        raise BlobsUnavailable("the blob store s3://away cannot be used")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


#: Makes stands: with blobs in a directory unless `blobs=None`.
Stands = Callable[..., Awaitable[Stand]]


def urls_of(stub: Stub, index: int = 0) -> list[str]:
    """Addresses of the images that the stub was shown."""
    content = stub.requests[index].json["messages"][-1]["content"]
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
