"""The middleware that `homa new middleware` writes."""

SOURCE = '''\
"""A middleware: every worker that has this package runs it around its calls."""

from dataclasses import replace

from homa_workers.middleware import CallNext, Completion, Request, around


@around()
async def $name(request: Request, call_next: CallNext) -> Completion:
    """Marks replies, and answers what must not be asked itself."""
    if "password" in str(request.messages[-1].get("content")):
        return request.answered("I would rather not say.")
    reply = await call_next(request)
    return replace(reply, body={**reply.body, "$name": True})
'''

TEST = '''\
"""What the middleware makes of calls."""

from homa.testing import fake

from $module import $name


def test_a_reply_is_marked() -> None:
    with fake("an answer", middleware=[$name]) as homa:
        reply = homa.submit("Hello", model="openai:gpt-6-luna").result(timeout=10)
        assert (reply.text, reply.body["$name"]) == ("an answer", True)


def test_what_must_not_be_asked_is_not_paid() -> None:
    with fake("an answer", middleware=[$name]) as homa:
        reply = homa.submit("What is the password?", model="openai:gpt-6-luna").result(timeout=10)
        assert reply.text == "I would rather not say."
        homa.assert_called(times=0)
'''
