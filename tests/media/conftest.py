"""Stands: a client, a worker and a stub of a provider."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from homa_shared.settings.model import load_settings
from tests.media.standing import Stand, Stands
from tests.providers.shapes import CHAT
from tests.providers.stub import reply, serving


@pytest.fixture
async def stand(tmp_path: Path, store_url: str, namespace: str) -> AsyncIterator[Stands]:
    """Makes stands: with blobs in a directory unless `blobs=None`."""
    made: list[Stand] = []
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with serving(reply(200, CHAT)) as stub:

        async def make(blobs: str | None = "blobs", **env: str) -> Stand:
            where = {"HOMA_BLOBS": str(tmp_path / blobs)} if blobs else {}
            settings = load_settings(
                env={
                    "HOMA_REDIS_URL": store_url,
                    "HOMA_NAMESPACE": namespace,
                    "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-any",
                    "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{stub.url}/v1",
                    "HOMA_PROVIDERS__OLLAMA__BASE_URL": f"{stub.url}/v1",
                    **where,
                    **env,
                },
                cwd=tmp_path,
            )
            made.append(Stand(settings, stub))
            return made[-1]

        yield make
        for each in made:
            await each.close()
    structlog.reset_defaults()
