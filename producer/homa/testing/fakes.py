"""`fake`: a fleet in this process, whose providers answer what a test wrote down."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, get_args

from homa.client.aio import AsyncHoma
from homa.client.sync import Homa
from homa.drivers import fake_in_force
from homa.supervision.requirements import require_workers
from homa.testing.calls import FakeCall
from homa.testing.fake_environment import environment, fake_settings, own_directory, variables_of
from homa.testing.fleet_view import FleetView
from homa.testing.script import Answers, Script
from homa.testing.stores import test_store
from homa_shared.calls.tokens import Count, count
from homa_shared.model.event_handlers import Handler, handlers_of
from homa_shared.settings.encryption import keyring_of
from homa_shared.settings.model import Settings
from homa_shared.store.connection import StoreAddress
from homa_shared.store.scripts import moved_clock

if TYPE_CHECKING:
    from homa_shared.model.targets import Target
    from homa_workers.testing.in_process import Given, InProcessWorkers

#: `jumps`: the clock jumps over pauses, freezes and limits that would only be waited for. `passes`: it moves as ever.
Time = Literal["jumps", "passes"]


class FakeFleet:
    """What tests ask of a fake fleet, beside what they ask of any client."""

    #: Where it comes from.
    fake: Fake

    @property
    def calls(self) -> list[FakeCall]:
        """Every call so far, in order; those that failed, too."""
        return list(self.fake.recorded)

    @property
    def cost_usd(self) -> Decimal:
        """What all jobs so far have cost, in dollars."""
        return self.fake.view.cost_usd()

    @property
    def unresolved_usd(self) -> Decimal:
        """What calls may have cost of which nobody knows, at most, in dollars."""
        return self.fake.view.unresolved_usd()

    def advance(self, seconds: float) -> None:
        """Moves the clock, and returns when what became due is done: delays, deadlines, retries, new days, schedules.

        Args:
            seconds: 0 or more.

        Raises:
            ValueError: that is no length of time.
            TimeoutError: something is not done after half a minute; it says what.
            RuntimeError: the fleet has ended.
        """
        self.fake.workers.advance(seconds)

    def drain(self) -> None:
        """Returns when nothing is left to be done without moving the clock; raises as `advance`."""
        self.fake.workers.until_quiet()

    def assert_called(
        self, prompt: str | re.Pattern[str] = "*", *, model: str = "*", times: int | None = None
    ) -> list[FakeCall]:
        """The calls that fit, of which there must be some, or `times`.

        Args:
            prompt: what the user's last message says: `*` stands for anything; or a regular expression.
            model: `provider:model`, where `*` stands for anything.

        Raises:
            AssertionError: there are none, or more or fewer; it lists all calls.
        """
        return self.fake.view.called(self.calls, prompt, model, times)

    def assert_submitted(
        self, prompt: str | re.Pattern[str] = "*", *, model: str = "*", times: int | None = None, **facts: Any
    ) -> list[str]:
        """The ids of the jobs that fit, whether they have been called yet or not; otherwise as `assert_called`.

        Args:
            model: their present target.
            facts: further ones of the job: `tenant`, `batch`, `custom_id`, `tags`, `lane`, `state`.
        """
        return self.fake.view.submitted(self.calls, prompt, model, times, facts)


class FakeHoma(FakeFleet, Homa):
    """A client of a fake fleet."""


class FakeAsyncHoma(FakeFleet, AsyncHoma):
    """A client of a fake fleet, for event loops. `advance` and `drain` hold the loop up: see docs/testing.md."""


class Fake:
    """A fake fleet as a context: `with` gives a `FakeHoma`, `async with` a `FakeAsyncHoma`. Made by `fake`."""

    def __init__(
        self,
        answers: Answers,
        *,
        strict: bool,
        time: Time,
        settings: Mapping[str, Any],
        env: bool,
        middleware: Sequence[Given] = (),
        handlers: Sequence[Handler] = (),
    ) -> None:
        self.script, self._middleware, self._handlers = Script(answers), middleware, handlers
        self._strict, self._time, self._given, self._env = strict, time, settings, env
        self._stack = ExitStack()
        self._stuck: list[str] = []
        self.recorded: list[FakeCall] = []
        self.settings: Settings
        self.view: FleetView
        self.workers: InProcessWorkers

    def __enter__(self) -> FakeHoma:
        homa = FakeHoma(settings=self._open())
        homa.fake = self
        self._stack.callback(homa.close)
        return homa

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        stuck = "; ".join(self._stuck[:5])
        told = f"the answers to {len(self._stuck)} calls had not come when the block ended: {stuck}"
        # An error of the test's own says more.
        if error is not None:
            if stuck:
                error.add_note(told)
        elif stuck:
            raise TimeoutError(told)
        elif self._strict:
            self.script.raise_unexpected()

    async def __aenter__(self) -> FakeAsyncHoma:
        homa = FakeAsyncHoma(settings=self._open())
        homa.fake = self
        self._async = homa
        return homa

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._async.aclose()
        # In a thread: an answer that is being given may need this loop.
        await asyncio.to_thread(self._stack.close)
        self._tell(error)

    def _open(self) -> Settings:
        require_workers("homa.testing", "local")
        from homa_workers.testing.in_process import InProcessWorkers

        with ExitStack() as stack:
            url, namespace = test_store(), f"fake-{uuid.uuid4().hex[:12]}"
            home = stack.enter_context(own_directory())
            self.settings = settings = fake_settings(url, namespace, home, self._given)
            address = replace(StoreAddress.parse(url), keyring=keyring_of(settings))
            stack.enter_context(moved_clock())
            more = (self._record, self._middleware, self._handlers)
            self.workers = InProcessWorkers(settings, address, self.script, *more, jumps=self._time == "jumps")
            self.workers.start()
            stack.callback(self._end_workers)
            self.view = FleetView(address, namespace)
            stack.callback(self.view.close)
            if self._env:
                stack.enter_context(environment(variables_of(settings)))
            stack.enter_context(fake_in_force.in_force(self, leads=self._env))
            self._stack = stack.pop_all()
        return settings

    def _end_workers(self) -> None:
        self._stuck = self.workers.end()

    def counted(self, target: Target, content: str | Sequence[Mapping[str, Any]]) -> Count:
        """What a call with this content is billed for, as the provider's own count."""
        return Count(count(content, target.model).tokens, exact=True)

    def _record(
        self,
        job: str,
        target: str,
        messages: Sequence[Mapping[str, Any]],
        params: Mapping[str, Any],
        inputs: Sequence[str],
    ) -> None:
        self.recorded.append(FakeCall(target, messages, params, inputs, job))


def fake(
    answers: Answers = "ok",
    *,
    strict: bool = True,
    time: Time = "jumps",
    settings: Mapping[str, Any] | None = None,
    env: bool = True,
    middleware: Sequence[Given] = (),
    handlers: Sequence[Callable[[Any], Any]] = (),
) -> Fake:
    """A fleet in this process whose providers answer what is written down; nothing reaches a network.

    Every kind of provider is configured under its own name, and so is what the project's homa.toml says: its aliases,
    limits, prices and budgets hold. The client that it gives may be used, and any other that the application makes in
    this process.

    Args:
        answers: pattern of the prompt -> answer. In a pattern `*` stands for anything; it may be a regular expression.
            The first that fits is taken. An answer is a text, a mapping or pydantic object (answered as JSON), an
            `Answer`, a failure such as `RateLimited(retry_after_s=2)`, a list of these (one for each call that comes),
            or a function of the `FakeCall`. A single answer is given to everything.
        strict: raise `UnexpectedCall` at the end when a call came that nothing was written down for. It fails anyway.
        time: `jumps` over the pauses between retries, freezes and limits, so that no test waits for them; or `passes`.
            Either way `advance` moves it, which delays, deadlines and new days need.
        settings: as in homa.toml, over what stands there: `{"models": {"fast": {"target": "openai:gpt-6-luna"}}}`.
        env: whether clients of this process lead to it meanwhile, those that were made before, too; and processes that
            it starts (HOMA_REDIS_URL, HOMA_NAMESPACE, HOMA_HOME, HOMA_BLOBS). A client with a `redis_url` or `settings`
            of its own does not.
        middleware: of its workers: functions with `@around`, and classes of `Middleware`.
        handlers: functions with `@homa.on`, which it calls for events in this process; `drain` waits for them, too.

    Raises:
        TypeError: something is no pattern, or no answer.
        ValueError: there is no such time.
        ConfigError: the settings are wrong, or one of `handlers` is not declared with `@homa.on`.
        MissingExtra: `homa-queue[local]` is not installed.
    """
    if time not in get_args(Time):
        raise ValueError(f"time is {time!r:.80}: expected one of {', '.join(map(repr, get_args(Time)))}")
    return Fake(
        answers,
        strict=strict,
        time=time,
        settings=settings or {},
        env=env,
        middleware=middleware,
        handlers=handlers_of(handlers),
    )
