"""OpenAI's stream of events, which also tells whether it ended with `[DONE]`: the SDK keeps that for itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

from openai import AsyncStream
from openai._streaming import ServerSentEvent


class DoneStream(AsyncStream[object]):
    """The SDK's stream. `said_done` is true once its last event was `[DONE]`."""

    said_done = False

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        async for event in super()._iter_events():
            if event.data == "[DONE]":
                self.said_done = True
            yield event
