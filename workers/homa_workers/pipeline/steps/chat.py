"""A completion that may take several calls: tools are run, answers that do not fit are asked for again.

What a later attempt goes on from is kept as messages, so that it may go on at any provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import time_ns
from typing import TYPE_CHECKING, Any

import orjson

from homa_shared.calls.answer_messages import answer_message, plain_message
from homa_shared.calls.flow_rules import narrowed
from homa_shared.calls.reply import Call, Completion
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.store.transitions.steps import Begin
from homa_workers.outcomes.answer_ends import end_of
from homa_workers.outcomes.halting import Unfit, Unsent, ended, refused, stopped
from homa_workers.outcomes.judgement import is_refusal
from homa_workers.outcomes.outcomes import Declined
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.reckoning import Reckoned, need_of_call, reckoned
from homa_workers.pipeline.steps import cut, structured
from homa_workers.pipeline.steps.earlier import State, earlier_steps
from homa_workers.pipeline.steps.escalation import escalated
from homa_workers.pipeline.steps.journal import StepJournal
from homa_workers.store_io.persist import to_the_end
from homa_workers.tools.toolbox import FAILED, Toolbox, failure

if TYPE_CHECKING:
    from homa_shared.calls.json_schema import AnswerSchema

Message = dict[str, Any]


class Chat:
    """The calls of one attempt at a completion.

    Args:
        journal: reserves its calls and records its steps.
        toolbox: the tools of this process.
        caller: makes its calls.
        earlier: steps that it goes on from, by their numbers; None: all that the journal has.
        grades: whether its answer is a verdict on another one.
    """

    def __init__(
        self,
        journal: StepJournal,
        toolbox: Toolbox,
        caller: Caller,
        earlier: Sequence[tuple[int, State]] | None = None,
        *,
        grades: bool = False,
    ) -> None:
        request = journal.attempt.request
        self._journal, self._earlier, self._grades = journal, earlier, grades
        self._rules = request.steps
        self._toolbox = toolbox
        self._caller = caller
        self._target = Target.parse(journal.attempt.claim.target)
        self._messages: list[Message] = list(request.messages)
        self._params: dict[str, Any] = dict(request.params_at(journal.attempt.claim.fallbacks_left))
        self._api = request.api
        self._shared = request.shared
        #: Whether a call says more than the client knew when it reckoned the first one's need.
        self._grown = False
        self._invalid = 0
        #: Whether this attempt was to end while a paid reply was looked at: it does once that is stored.
        self._called_off = False
        #: Answers so far that were cut at their output cap, over all attempts.
        self._cut = 0
        #: What is asked of its answer beside a schema.
        self._asked = request.rules
        self._schema: AnswerSchema | None = None
        #: Calls of tools and their results, where they are to be kept with the reply.
        self._kept: list[Message] | None = [] if request.turn else None

    async def answer(self) -> Completion:
        """The answer, after as many calls as it takes.

        Raises:
            Halted: this attempt ends without one.
            ProviderError: a call went wrong.
        """
        self._schema = await self._read_schema()
        self._add_definitions()
        await self._go_on()
        while True:
            asked = Call(self._target.model, self._messages, self._params, self._shared, self._api)
            call, changed = await self._caller.prepare(self._journal.attempt, asked)
            await self._journal.follow_settings()
            found = self._need(call, changed)
            await self._journal.allow(found and found.need, why=found.why if found else "")
            completion = await self._caller.complete(self._journal.attempt, call)
            if self._schema is not None:
                completion = structured.unwrapped(completion)
            if await self._is_answer(completion):
                self._journal.attempt.before_answer = self._kept or ()
                return completion

    async def _is_answer(self, completion: Completion) -> bool:
        """Whether this ends the job; if not, the step is recorded, and the messages are ready for the next call."""
        message = answer_message(completion.body)
        calls = message.get("tool_calls") or []
        if completion.is_cut:
            return await self._cut_is_answer(completion, calls)
        if calls and self._are_ours(calls):
            if self._journal.number + 1 >= self._rules.max_steps:
                wanted = ", ".join(_name_of(call) for call in calls)
                raise ended(
                    Unfit("step_limit", f"after {self._rules.max_steps} calls it asks for {wanted}", completion)
                )
            await self._record(completion, "tools", [message])
            self._keep(message)
            await self._run_tools(self._journal.number, calls)
            return False
        if calls or self._schema is None:
            return True
        wrong = await self._violation(completion)
        if wrong is None:
            return True
        if self._invalid >= self._rules.content_retries:
            text = f"the answer does not fit its schema after {self._invalid + 1} tries: {wrong}"
            raise escalated(self._journal.book, self._journal.attempt, text, completion) or ended(
                Unfit("malformed", text, completion)
            )
        self._invalid += 1
        await self._record(completion, "invalid", [message, structured.correction(wrong)])
        if self._called_off:
            raise self._journal.called_off()
        return False

    # -- output cap -------------------------------------------------------------------------------------------------

    async def _cut_is_answer(self, completion: Completion, calls: list[Message]) -> bool:
        """Whether an answer that was cut ends the job; if not, the step is recorded, and the next call has room."""
        more = self._more_room() if self._rules.on_cut == "retry" and self._cut < cut.MOST_RETRIES else None
        if more is not None:
            await self._record(completion, "cut", [])
            self._cut, self._params = self._cut + 1, more
            return False
        # Half a tool call cannot be run, and half an answer does not fit a schema, unless by chance.
        useless = self._are_ours(calls) if calls else self._schema is not None and await self._violation(completion)
        if useless or self._rules.on_cut == "fail":
            after = f" (call {self._cut + 1}, with more room each time)" if self._cut else ""
            text = f"{end_of(completion, self._params)}{after}: raise max_tokens, or set on_cut to retry"
            raise ended(Unfit("cut", text, completion))
        return True

    def _more_room(self) -> dict[str, Any] | None:
        return cut.with_more_room(self._journal.book, str(self._target), self._params)

    # -- steps ------------------------------------------------------------------------------------------------------

    async def _record(self, completion: Completion, why: str, messages: list[Message]) -> None:
        if by := self._journal.attempt.answered_by:
            # It is no step: nothing was called for it, and the same middleware would make the next one.
            raise ended(Unsent("middleware", f"middleware {by} answered with what ends no job ({why})"))
        state: State = {"why": why, "target": str(self._target), "messages": messages}
        state |= {"usage": completion.usage.counts(), **({"grades": True} if self._grades else {})}
        await self._journal.record(completion, orjson.dumps(state))
        self._messages += messages

    async def _go_on(self) -> None:
        """Puts the messages of earlier attempts' steps behind the request's."""
        known = self._earlier
        for number, state in await earlier_steps(self._journal) if known is None else known:
            own = state["target"] == str(self._target)
            messages = state["messages"] if own else [plain_message(message) for message in state["messages"]]
            self._messages += messages
            match state["why"]:
                case "tools":
                    self._keep(*messages)
                    await self._run_tools(number, state["messages"][0]["tool_calls"])
                case "cut":
                    self._cut += 1
                case "answer":  # what became of it, its verdict says
                    pass
                case _ if own or not self._asked.escalation:
                    self._invalid += 1
                case _:
                    pass
        for _ in range(self._cut):
            self._params = self._more_room() or self._params

    # -- tools ------------------------------------------------------------------------------------------------------

    def _add_definitions(self) -> None:
        """Puts in the definitions of tools that the client named only."""
        missing = self._toolbox.missing(self._rules.tools)
        if missing:
            raise refused(
                f"tool {missing[0]!r} is not registered at this worker: start it with --actors MODULE, "
                "the module that declares it with @tool"
            )
        given = self._params.get("tools") or []
        known = {_name_of(definition) for definition in given}
        added = [
            tool.definition for name in self._rules.tools if name not in known and (tool := self._toolbox.find(name))
        ]
        if added:
            self._params["tools"] = [*given, *added]
            self._grown = True

    def _are_ours(self, calls: list[Message]) -> bool:
        """Whether all calls are of tools that the worker runs; the others' are the caller's to run."""
        return bool(self._rules.tools) and all(_name_of(call) in self._rules.tools for call in calls)

    async def _run_tools(self, number: int, calls: list[Message]) -> None:
        """Runs the calls of a step side by side; results stand in the order of the calls."""
        work = (self._result(number, index, call) for index, call in enumerate(calls))
        results = await self._journal.between(asyncio.gather(*work))
        for call, result in zip(calls, results, strict=True):
            self._messages.append({"role": "tool", "tool_call_id": call.get("id"), "content": result})
            self._keep(self._messages[-1])

    def _keep(self, *messages: Message) -> None:
        if self._kept is not None:
            self._kept += messages

    async def _result(self, number: int, index: int, call: Message) -> str:
        known = self._journal.earlier.results.get((number, index))
        if known is not None:
            return known
        tool = self._toolbox.find(_name_of(call))
        if tool is None:
            raise refused(f"tool {_name_of(call)!r} is not registered at this worker")
        begin, result = await self._journal.begin_tool(number, index, idempotent=tool.idempotent)
        match begin:
            case Begin.DONE:
                return result
            case Begin.STALE:
                raise stopped("its attempt was over before a tool call")
            case Begin.UNKNOWN:
                result = failure(
                    f"nobody knows how this call of {tool.name} ended: its worker was lost while it ran. "
                    "It was not run again, since running it twice might do more than running it once"
                )
            case Begin.RUN:
                began_ns = time_ns()
                result = await self._toolbox.run(tool, (call.get("function") or {}).get("arguments") or "")
                told = tool.name, str(call.get("id") or ""), began_ns
                self._caller.tool_ended(self._journal.attempt, *told, failed=result.startswith(FAILED))
        await self._journal.end_tool(number, index, result)
        return result

    # -- schema -----------------------------------------------------------------------------------------------------

    async def _read_schema(self) -> AnswerSchema | None:
        schema, rule = structured.schema_of(self._params), self._asked.rule
        if schema is None:
            return None if rule is None else await structured.to_check(rule)
        book = self._journal.book
        if not book.takes_schemas(self._target) or book.capabilities.schema_lack(self._target, schema):
            del self._params["response_format"]
            place = structured.after_system(self._messages)
            self._messages.insert(place, structured.instruction(schema))
            self._shared = self._shared and self._shared.after_insertion(place)
            self._grown = True
        return await structured.to_check(schema if rule is None else narrowed(schema, rule))

    async def _violation(self, completion: Completion) -> str | None:
        """What is wrong with an answer; None where it fits.

        A check may take seconds. The reply is paid for and not stored yet: neither a cancel, nor a stop, nor whatever
        ails the check may lose it.
        """
        assert self._schema is not None
        if is_refusal(completion):
            raise Declined(completion)
        try:
            wrong, cancelled = await to_the_end(structured.violation(completion, self._schema))
        except InvalidRequest as error:
            raise ended(Unfit("invalid_request", str(error), completion)) from error
        except Exception as error:
            # As where the system has no process left to check it in.
            self._journal.log.defect(error, self._journal.attempt.claim)
            text = f"its answer could not be checked: {type(error).__name__}: {error}"
            raise ended(Unfit("internal", text, completion)) from error
        self._called_off = cancelled is not None
        return wrong

    def _need(self, call: Call, changed: str) -> Reckoned | None:
        """What a call takes; None for a first one that says just what the client reckoned with."""
        if self._journal.number or self._grown:
            return need_of_call(self._journal.book, self._journal.attempt.claim, call)
        return reckoned(self._journal.book, self._journal.attempt, call, changed)


def _name_of(call: Mapping[str, Any]) -> str:
    return str((call.get("function") or {}).get("name") or "")
