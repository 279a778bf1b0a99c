"""The simulator's own paths: what it did, what it charged, how it is to behave.

| path | |
|---|---|
| `GET /control` | settings, and what is left of the script |
| `POST /control` | settings to change; `script`: faults to add for the next requests; `clear_script`: empties it |
| `GET /bill` | sums by account and model, and the total |
| `GET /bill/charges` | the last charges one by one |
| `POST /bill/reset` | an empty bill |
| `GET /stats` | what was seen; `POST /stats/reset` starts the counts anew |
| `GET /healthz` | 200 |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from homa_shared.model.errors import ConfigError
from homa_workers.simulator.config import as_json
from homa_workers.simulator.delivery import json_response
from homa_workers.simulator.engine import Engine


class Control:
    """Answers the simulator's own paths."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answers: dict[tuple[str, str], Callable[[bytes], Any]] = {
            ("GET", "/control"): self._settings,
            ("POST", "/control"): self._change,
            ("GET", "/bill"): lambda _: engine.bill.as_json(),
            ("GET", "/bill/charges"): lambda _: engine.bill.charges_as_json(),
            ("POST", "/bill/reset"): self._reset_bill,
            ("GET", "/stats"): lambda _: engine.stats.as_json(engine.limits.peaks()),
            ("POST", "/stats/reset"): self._reset_stats,
            ("GET", "/healthz"): lambda _: {"status": "ok"},
        }

    async def handle(self, request: web.BaseRequest) -> web.Response:
        answer = self._answers.get((request.method, request.path))
        if answer is None:
            known = ", ".join(f"{method} {path}" for method, path in self._answers)
            message = f"{request.method} {request.path} is not a path of the simulator; expected one of {known}"
            return json_response(404, {"error": {"message": message, "type": "not_found", "code": None, "param": None}})
        try:
            return json_response(200, answer(await request.read()))
        except (ConfigError, orjson.JSONDecodeError) as error:
            return json_response(400, {"error": {"message": str(error), "type": "invalid_setting"}})

    def _settings(self, _: bytes = b"") -> dict[str, Any]:
        return {**as_json(self._engine.config), "script": self._engine.faults.scripted}

    def _change(self, body: bytes) -> dict[str, Any]:
        changes = orjson.loads(body or b"{}")
        if not isinstance(changes, dict):
            raise ConfigError(f"the body is {changes!r:.60}; expected an object of settings")
        script, clear = changes.pop("script", []), changes.pop("clear_script", False)
        if not isinstance(script, list):
            raise ConfigError(f"script is {script!r:.60}; expected a list of faults")
        config = self._engine.config.changed(changes)
        if clear:
            self._engine.faults.clear_script()
        self._engine.faults.script(script)
        self._engine.configure(config)
        return self._settings()

    def _reset_bill(self, _: bytes) -> dict[str, Any]:
        self._engine.bill.reset()
        return self._engine.bill.as_json()

    def _reset_stats(self, _: bytes) -> dict[str, Any]:
        self._engine.stats.reset()
        return {"status": "ok"}
