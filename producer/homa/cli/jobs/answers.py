"""What became of the jobs that somebody wanted changed, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from homa.cli.context import say
from homa.cli.documents.jobs import AnswerDocument, AnswersDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import print_json
from homa.client.management.refusals import refusal

#: Answers that say that what was asked for was done, or is being done.
_GOOD = frozenset({"cancelled", "cancelling", "ok", "retried", "purged"})


def tell(verb: str, answers: Sequence[tuple[str, ...]], as_json: bool) -> None:
    """What became of each job; status 1 where one of them was refused."""
    bad = [(name, answer) for name, answer, *_ in answers if answer not in _GOOD]
    if as_json:
        print_json(
            AnswersDocument(
                jobs=[
                    AnswerDocument(job=name, answer=answer, retried_by=more[0] or None)
                    if more
                    else AnswerDocument(job=name, answer=answer)
                    for name, answer, *more in answers
                ]
            )
        )
    else:
        for name, answer, *more in answers:
            if answer in _GOOD:
                click.echo(f"{name} {'retried as' if more else answer}{''.join(f' {job}' for job in more)}")
    for name, answer in bad:
        say(refusal(verb, name, answer))
    if bad:
        raise Stopped(SOME_FAILED)


def tell_counts(counts: Mapping[str, int], as_json: bool) -> None:
    """How many jobs had which answer."""
    if as_json:
        print_json({name.replace(" ", "_"): count for name, count in counts.items()})
    else:
        click.echo(", ".join(f"{count} {name}" for name, count in counts.items()))
