"""Tools from typed functions: definitions, arguments, results, and what is refused."""

from __future__ import annotations

import asyncio
import copy
import datetime
import functools
import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import orjson
import pydantic
import pytest

from homa_shared.calls import tools
from homa_shared.calls.tools import BadArguments, definitions, make_tool, registered, tool
from homa_shared.model.errors import InvalidRequest
from homa_workers.tools import Toolbox
from homa_workers.tools import toolbox as toolbox_module
from homa_workers.tools.toolbox import MOST_BYTES
from tests.patience import PATIENCE_S
from tests.worker.cell import until


class Place(pydantic.BaseModel):
    city: str
    country: str = "DE"


def forecast(place: Place, day: datetime.date, unit: Literal["c", "f"] = "c") -> str:
    """The weather to come.

    As far as anybody knows.

    Args:
        place: where,
            and in which country.
        day (date): when.

    Returns:
        place: not a parameter.
    """
    return f"{place.city}, {place.country}, {day.isoformat()}, {unit}"


def test_a_definition_is_read_from_signature_and_docstring() -> None:
    function = make_tool(forecast).definition["function"]
    assert function["name"] == "forecast"
    assert function["description"] == "The weather to come.\n\nAs far as anybody knows."
    parameters = function["parameters"]
    assert parameters["required"] == ["place", "day"]
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["place"]["description"] == "where, and in which country."
    assert parameters["properties"]["day"] == {
        "description": "when.", "format": "date", "title": "Day", "type": "string"
    }  # fmt: skip
    assert parameters["properties"]["unit"]["enum"] == ["c", "f"]
    assert parameters["$defs"]["Place"]["properties"]["country"]["default"] == "DE"


def test_a_function_without_docstring_or_parameters_is_a_tool() -> None:
    def now() -> str:
        return ""

    function = make_tool(now).definition["function"]
    assert "description" not in function
    assert function["parameters"]["properties"] == {}


def test_arguments_arrive_as_their_types() -> None:
    given = make_tool(forecast).arguments('{"place": {"city": "Ulm"}, "day": "2026-11-02"}')
    assert given == {"place": Place(city="Ulm"), "day": datetime.date(2026, 11, 2), "unit": "c"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "Invalid JSON"),
        ("", "place: Missing"),
        ('{"place": {"city": "Ulm"}, "day": "soon"}', "day: "),
        ('{"place": {}, "day": "2026-11-02"}', "place.city: "),
        ('{"place": {"city": "Ulm"}, "day": "2026-11-02", "more": 1}', "more: "),
    ],
)
def test_arguments_that_do_not_fit_are_named(text: str, named: str) -> None:
    with pytest.raises(BadArguments, match=named):
        make_tool(forecast).arguments(text)


def untyped(city): ...  # type: ignore[no-untyped-def]


def spread(*cities: str) -> None: ...


def unspeakable(lock: threading.Event) -> None: ...


def unresolved(thing: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (untyped, "no type for its parameter 'city'"),
        (spread, r"takes \*cities"),
        (unspeakable, "JSON cannot express"),
        (unresolved, "Nowhere"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_named(function: Any, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        make_tool(function)


@pytest.mark.parametrize("name", ["with space", "", "x" * 65, "ümlaut"])
def test_a_name_that_providers_refuse_is_refused(name: str) -> None:
    def function() -> None: ...

    function.__name__ = name
    with pytest.raises(InvalidRequest, match="tool name"):
        make_tool(function)


def test_a_time_limit_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="timeout_s"):
        make_tool(forecast, timeout_s=0)


def test_a_tool_can_still_be_called() -> None:
    made = tool(name="weather")(forecast)
    assert made(Place(city="Ulm"), datetime.date(2026, 11, 2)) == "Ulm, DE, 2026-11-02, c"
    assert registered()["weather"] is made


def test_two_tools_of_one_name_are_refused() -> None:
    tool(name="one")(forecast)
    with pytest.raises(InvalidRequest, match="has that name already"):
        tool(name="one")(spread_free)


def spread_free() -> None: ...


def test_a_module_that_is_imported_again_registers_its_tools_again() -> None:
    first = tool(forecast)
    assert tool(forecast) is not first


def test_definitions_of_tools_functions_and_objects() -> None:
    given = {"type": "function", "function": {"name": "given"}}
    names = [d["function"]["name"] for d in definitions([given, forecast, make_tool(forecast, name="made")])]
    assert names == ["given", "forecast", "made"]
    with pytest.raises(InvalidRequest, match="tools has 3"):
        definitions([3])


@pytest.fixture
def toolbox() -> Toolbox:
    return Toolbox()


async def run(toolbox: Toolbox, function: Any, arguments: str = "", **options: Any) -> Any:
    text = await toolbox.run(make_tool(function, **options), arguments)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


async def test_results_are_text_or_json(toolbox: Toolbox) -> None:
    async def words() -> str:
        return "as they are"

    def place() -> Place:
        return Place(city="Ulm")

    async def nothing() -> None: ...

    assert await run(toolbox, words) == "as they are"
    assert await run(toolbox, place) == {"city": "Ulm", "country": "DE"}
    assert await run(toolbox, nothing) is None


async def test_whatever_goes_wrong_is_told_to_the_model(toolbox: Toolbox) -> None:
    async def broken() -> str:
        raise LookupError

    async def late() -> str:
        raise TimeoutError("the other side was slow")

    async def never() -> str:
        await asyncio.sleep(3600)
        return ""

    def odd() -> Any:
        return threading.Event()

    def large() -> str:
        return "x" * (MOST_BYTES + 1)

    assert await run(toolbox, broken) == {"error": "LookupError"}
    assert await run(toolbox, late) == {"error": "TimeoutError: the other side was slow"}
    assert await run(toolbox, never, timeout_s=0.01) == {"error": "never did not end within 0.01 s"}
    assert "cannot be written as JSON" in (await run(toolbox, odd))["error"]
    assert "at most" in (await run(toolbox, large))["error"]
    assert "place: Missing" in (await run(toolbox, forecast))["error"]


async def test_halves_of_characters_reach_the_model_as_text_that_a_store_takes(toolbox: Toolbox) -> None:
    async def name() -> str:
        return "\udcff.txt"

    async def broken() -> str:
        raise FileNotFoundError("\udcff.txt")

    async def inside() -> Any:
        return {"name": "\udcff.txt"}

    assert await run(toolbox, name) == "\ufffd.txt"
    assert await run(toolbox, broken) == {"error": "FileNotFoundError: \ufffd.txt"}
    assert "cannot be written as JSON" in (await run(toolbox, inside))["error"]
    assert "error" in await run(toolbox, name, '{"\udcff": 1}')


async def test_errors_that_cannot_be_told_or_awaited_are_told_by_name(toolbox: Toolbox) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise LookupError

    async def mute() -> str:
        raise Mute

    def exhausted() -> str:
        raise StopIteration

    assert await run(toolbox, mute) == {"error": "Mute"}
    assert await run(toolbox, exhausted, timeout_s=PATIENCE_S) == {"error": "RuntimeError: StopIteration"}


async def test_a_thread_that_cannot_start_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox_module, "THREADS", 1)
    box = Toolbox()

    def starts(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def fine() -> str:
        return "done"

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", starts)
        assert await run(box, fine) == {"error": "RuntimeError: can't start new thread"}
    assert await asyncio.wait_for(run(box, fine), PATIENCE_S) == "done"


async def test_a_sync_tool_that_would_end_the_process_ends_itself(toolbox: Toolbox) -> None:
    def leaves() -> None:
        raise SystemExit(3)

    assert await run(toolbox, leaves) == {"error": "RuntimeError: SystemExit: 3"}


async def test_a_callable_that_is_async_without_looking_so_is_awaited(toolbox: Toolbox) -> None:
    async def inner() -> str:
        return "awaited"

    def outer() -> Any:
        return inner()

    assert await run(toolbox, outer) == "awaited"


async def test_sync_tools_share_a_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox_module, "THREADS", 1)
    box, free, ran = Toolbox(), threading.Event(), []

    def held() -> str:
        ran.append(1)
        free.wait(PATIENCE_S)
        return "done"

    both = [asyncio.create_task(run(box, held)) for _ in range(2)]
    await until(lambda: bool(ran))
    assert len(ran) == 1
    free.set()
    assert await asyncio.gather(*both) == ["done", "done"]


async def test_a_sync_tool_that_is_late_is_left_behind(toolbox: Toolbox) -> None:
    free = threading.Event()

    def slow() -> str:
        free.wait(PATIENCE_S)
        return "late"

    assert await run(toolbox, slow, timeout_s=0.05) == {"error": "slow did not end within 0.05 s"}
    free.set()


def test_a_toolbox_knows_what_is_registered_later() -> None:
    box = Toolbox()
    assert box.missing(["forecast"]) == ["forecast"]
    tool(forecast)
    assert box.missing(["forecast"]) == []
    assert box.find("forecast") is tools.registered()["forecast"]


def counted(n: int) -> Iterator[int]:
    yield n


async def counted_async(n: int) -> AsyncIterator[int]:
    yield n


@pytest.mark.parametrize("function", [counted, counted_async])
def test_what_yields_is_no_tool(function: Any) -> None:
    with pytest.raises(InvalidRequest, match="yields: expected a function that returns its result as a whole"):
        tool(function)


def unreadable(n: int) -> None: ...


unreadable.__annotations__["n"] = "int |"


@pytest.mark.parametrize("function", [functools.partial(forecast, unit="c"), unreadable])
def test_a_function_whose_types_nobody_can_read_is_refused_by_its_name(function: Any) -> None:
    with pytest.raises(InvalidRequest, match="tool 'it'"):
        make_tool(function, name="it")


@tool(name="pickled", idempotent=True)
def sold(n: int) -> int:
    """How many are sold."""
    return n


def test_a_tool_is_pickled_by_name_as_its_function_would_be() -> None:
    assert pickle.loads(pickle.dumps(sold)) is sold
    made = pickle.loads(pickle.dumps(make_tool(forecast, name="weather", timeout_s=3)))
    assert (made.name, made.function, made.timeout_s) == ("weather", forecast, 3)
    assert copy.deepcopy({"tools": [sold]}) == {"tools": [sold]}
