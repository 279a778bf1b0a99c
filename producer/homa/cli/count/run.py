"""What `homa count` does: count offline by what the store has learned, or have another process ask the provider."""

from __future__ import annotations

from typing import Any

import click
import orjson

from homa.cli.context import desk, say, standard_input
from homa.cli.exit_status import Stopped
from homa.client.exact_count import count_exactly
from homa.files import read_argument
from homa_shared.calls.tokens import count as count_tokens
from homa_shared.model.errors import CountFailed, InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.reads.token_error import Learned, learned

_NO_ANSWER = 3


def count_text(text: str, model: str, *, exact: bool, as_json: bool) -> None:
    """Carries out `homa count`."""
    prompt = standard_input() if text == "-" else read_argument(text, "TEXT")
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
    from homa.drivers.effects import ask

    return (yield from ask(learned(keys, [target])))[target]


def _asked(settings: Settings, target: Target, prompt: str) -> int:
    """The provider's own count."""
    try:
        return count_exactly(settings, target, prompt).tokens
    except InvalidRequest as error:
        raise InvalidRequest(f"--exact: {error}") from error
    except CountFailed as error:
        say(str(error))
        raise Stopped(_NO_ANSWER) from error


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
