"""What `homa count` does: count offline by what the store has learned, or have another process ask the provider."""

from __future__ import annotations

import click
import orjson

from homa.cli.context import say, standard_input, submitting_session
from homa.cli.documents.work import CountDocument
from homa.client.exact_count import count_exactly
from homa.client.session import Session
from homa.files import read_argument
from homa_shared.calls.tokens import count as count_tokens
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.store.reads.token_error import Learned, learned


def count_text(text: str, model: str, *, exact: bool, as_json: bool) -> None:
    """Carries out `homa count`."""
    prompt = standard_input() if text == "-" else read_argument(text, "TEXT")
    with submitting_session(start=False) as here:
        target, sums = _looked_up(here, model)
    if exact:
        tokens = _asked(here, target, prompt)
        _tell(CountDocument(tokens=tokens, exact=True, model=str(target), by=target.provider), as_json)
        return
    found = count_tokens(prompt, target.model, factor=sums.factor)
    by = "encoding" if found.exact else "estimate"
    document = CountDocument(tokens=found.tokens, exact=found.exact, model=str(target), by=by)
    if not found.exact:
        document["factor"], document["learned_from"] = round(sums.factor, 3), sums.replies
    _tell(document, as_json)


def _looked_up(here: Session, model: str) -> tuple[Target, Learned]:
    """The target that a model's name leads to, and what is known of its tokens; a store is asked where one runs."""
    target = Target.parse(here.view().fleet.follow(model)[0])
    if not here.joined:
        return target, Learned()
    return target, here.store.run(learned(here.keys, [str(target)]))[str(target)]


def _asked(here: Session, target: Target, prompt: str) -> int:
    """The provider's own count."""
    try:
        return count_exactly(here.settings, target, prompt).tokens
    except InvalidRequest as error:
        raise InvalidRequest(f"--exact: {error}") from error


def _tell(document: CountDocument, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(document))
        return
    click.echo(document["tokens"])
    if document["exact"]:
        say(f"{document['model']}: exact, {'as the provider counts' if document['by'] != 'encoding' else 'offline'}")
    elif document.get("learned_from"):
        say(
            f"{document['model']}: an estimate, o200k times {document['factor']}, "
            f"learned from {document['learned_from']} replies"
        )
    else:
        say(f"{document['model']}: an estimate by o200k; nothing has been learned of this model yet")
