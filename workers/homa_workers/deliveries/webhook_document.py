"""What a webhook tells: the end of a job or batch, in the envelope that Standard Webhooks recommends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from homa_shared.model.money import usd
from homa_workers.deliveries.document import reply_of

_COUNTS = ("total", "succeeded", "failed", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class WebhookEnd:
    """The end of a job or batch, as its delivery's message tells it."""

    #: Names the delivery to its receiver.
    delivery: str
    target: str
    #: Of a job: its id; empty for a batch.
    job: str
    state: str
    #: All that the message says.
    told: Mapping[str, Any]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> WebhookEnd:
        return cls(told["delivery"], told["target"], told.get("job", ""), told["state"], told)

    def document(self, outcome: Mapping[str, Any]) -> bytes:
        """The document.

        Args:
            outcome: the job's as the store has it, empty where it is kept no more, and of a batch.
        """
        data = self._of_job(outcome) if self.job else self._of_batch()
        money = {"cost_usd": usd(int(self.told.get("cost") or 0))}
        money["unresolved_usd"] = usd(int(self.told.get("unresolved") or 0))
        return orjson.dumps(
            {
                "type": f"{self.told['about']}.{self.state}",
                "timestamp": _moment(self.told["ended"]),
                "data": {**data, "tenant": self.told.get("tenant") or None, **money},
            }
        )

    def _of_job(self, outcome: Mapping[str, Any]) -> dict[str, Any]:
        told = self.told
        tags = (line.partition("=") for line in (told.get("tags") or "").split("\n") if line)
        error = None if self.state == "succeeded" else outcome.get("error") or {"kind": self.state, "message": ""}
        return {
            "id": self.job,
            "state": self.state,
            "batch": told.get("batch"),
            "custom_id": told.get("custom_id"),
            "tags": {key: value for key, _, value in tags},
            "metadata": orjson.loads(told["metadata"]) if told.get("metadata") else None,
            "reply": reply_of(outcome),
            "error": error,
        }

    def _of_batch(self) -> dict[str, Any]:
        counts = {name: int(self.told[name]) for name in _COUNTS}
        return {"id": self.told["batch"], "state": self.state, "name": self.told.get("name") or None, **counts}


def _moment(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
