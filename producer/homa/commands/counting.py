"""What `homa count` does: count offline by what the store has learned, or have another process ask the provider."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import click
import orjson

from homa.commands.exits import Stopped
from homa.commands.session import desk, say
from homa.documents import read_argument
from homa_shared.errors import InvalidRequest
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.learning import Learned, learned
from homa_shared.targets import Target
from homa_shared.tokens import count as count_tokens

_EXACT = "homa_workers.exact_count"
_LONGEST_S = 60.0
_USAGE, _NO_ANSWER = 2, 3


def count_text(text: str, model: str, *, exact: bool, as_json: bool) -> None:
    """Carries out `homa count`."""
    prompt = sys.stdin.read() if text == "-" else read_argument(text, "TEXT")
    target, sums = _looked_up(model)
    if exact:
        tokens = _asked(load_settings(), target, prompt)
        _tell({"tokens": tokens, "exact": True, "model": str(target), "by": target.provider}, as_json)
        return
    found = count_tokens(prompt, target.model, factor=sums.factor)
    by = "encoding" if found.exact else "estimate"
    document: dict[str, Any] = {"tokens": found.tokens, "exact": found.exact, "model": str(target), "by": by}
    if not found.exact:
        document |= {"factor": round(sums.factor, 3), "learned_from": sums.replies}
    _tell(document, as_json)


def _looked_up(model: str) -> tuple[Target, Learned]:
    """The target that a model's name leads to, and what is known of its tokens; a store is asked where one runs."""
    with desk(start=False) as at:
        fleet = at.view().fleet
        names = fleet.follow(model)
        target = Target.parse(names[0])
        if not at.joined:
            return target, Learned()
        sums = at.driver.run(_learned(at.keys, str(target)))
    return target, sums


def _learned(keys: Any, target: str) -> Any:
    from homa.flow import ask

    return (yield from ask(learned(keys, [target])))[target]


def _asked(settings: Settings, target: Target, prompt: str) -> int:
    """The provider's own count.

    Raises:
        InvalidRequest: its key is not here, or it offers no count.
    """
    if target.provider not in settings.providers:
        raise InvalidRequest(
            f"--exact asks {target.provider} itself, which is not configured here: set its key, or leave --exact out"
        )
    asked = {"provider": target.provider, "model": target.model, "messages": [{"role": "user", "content": prompt}]}
    run = subprocess.run(
        [sys.executable, "-m", _EXACT], input=orjson.dumps(asked), capture_output=True, timeout=_LONGEST_S, check=False
    )
    if run.returncode == _USAGE:
        raise InvalidRequest(f"--exact: {run.stderr.decode(errors='replace').strip()}")
    if run.returncode:
        say(f"{target.provider} did not count: {run.stderr.decode(errors='replace').strip()[-500:]}")
        raise Stopped(_NO_ANSWER)
    tokens = orjson.loads(run.stdout)["tokens"]
    if tokens is None:
        raise InvalidRequest(f"--exact: {target.provider} offers no count; without --exact it is counted offline")
    return int(tokens)


def _tell(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(document))
        return
    click.echo(document["tokens"])
    if document["exact"]:
        say(f"{document['model']}: exact, {'as the provider counts' if document['by'] != 'encoding' else 'offline'}")
    elif document["learned_from"]:
        say(
            f"{document['model']}: an estimate, o200k times {document['factor']}, "
            f"learned from {document['learned_from']} replies"
        )
    else:
        say(f"{document['model']}: an estimate by o200k; nothing is learned of this model yet")
