"""Every script is one that the store accepts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from homa_shared.store import scripts
from homa_shared.store.scripts.prelude import with_prelude
from homa_shared.store.scripts.pruning import without_unused
from homa_shared.store.scripts.scoping import in_blocks
from tests.transitions.cell import Cell


@pytest.mark.parametrize("name", scripts.names())
def test_the_store_compiles(cell: Cell, name: str) -> None:
    code = scripts.script(name)
    assert cell.redis("SCRIPT LOAD", code.text) == code.sha


@pytest.mark.parametrize("name", scripts.names())
def test_says_what_it_takes_and_returns(name: str) -> None:
    header = scripts.source(name)
    assert "-- KEYS[1] anchor" in header
    assert "-- ARGV" in header
    assert "-- Returns" in header


@pytest.mark.parametrize("name", scripts.names())
def test_keys_are_written_out(name: str) -> None:
    assert "K." not in scripts.script(name).text.replace("OK.", "")


@pytest.mark.parametrize(
    ("code", "spelled"),
    [
        ("GET(K.counters())", "GET((P .. 'n'))"),
        ("f(K.job(id), 1)", "f((P .. 'j:' .. (id)), 1)"),
        ("K.group(r.q, lane, f(a, b))", "(P .. 'g:' .. (r.q) .. ':' .. (lane) .. ':' .. (f(a, b)))"),
        ("K.budget('job:' .. id) .. K.job(t[1])", "(P .. 'bu:' .. ('job:' .. id)) .. (P .. 'j:' .. (t[1]))"),
        ("K.waiting('a, b)')", "(P .. 'w:' .. ('a, b)'))"),
        ("K.job(f(K.request(id)))", "(P .. 'j:' .. (f((P .. 'p:' .. (id)))))"),
    ],
)
def test_a_key_stands_where_it_is_named(code: str, spelled: str) -> None:
    assert with_prelude(code) == "local P = KEYS[1]\n" + spelled


def test_a_key_of_other_parameters_is_refused() -> None:
    with pytest.raises(TypeError, match=r"key 'j:<id>' takes \('id',\), got \[\]"):
        with_prelude("K.job()")
    with pytest.raises(KeyError, match="unheard_of"):
        with_prelude("K.unheard_of(id)")


def test_what_only_one_fragment_names_is_in_scope_in_it_alone() -> None:
    first = (
        "local A, B = 1, 2\nlocal C = 3\nlocal later\n"
        "local function mine() return C end\nlocal function ours() return mine() end\n"
    )
    second = "local function theirs() later = ours() end\n"
    assert in_blocks([first, second], "return theirs() + A\n") == (
        "local ours, A, B, later\ndo\nA, B = 1, 2\nlocal C = 3\n\nlocal function mine() return C end\n"
        "function ours() return mine() end\nend\n" + second + "return theirs() + A\n"
    )


def test_functions_that_nothing_calls_are_left_out_and_those_that_only_they_call() -> None:
    fragments = [
        "local kept = 1\nlocal function inner() return kept end\nlocal function outer()\n  return inner()\nend\n",
        (
            "local function again(n)\n  if n > 0 then\n    return again(n - 1)\n  end\nend\n"
            "local function called() return 2 end\n"
        ),
    ]
    assert without_unused(fragments, "return called()\n") == [
        "local kept = 1\n",
        "local function called() return 2 end\n",
    ]
    assert without_unused(fragments, "return outer() + called() + again(3)\n") == fragments


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_is_far_from_luas_limit_of_local_variables(name: str) -> None:
    """200 at most in one function, and a script is one: those of blocks end with them."""
    text, depth, most, now = scripts.script(name).text, 0, 0, 0
    for line in text.splitlines():
        if line == "do":
            depth = now
        elif line == "end" and depth:
            now, depth = depth, 0
        found = re.match(r"local (?:function (\w+)|(\w+(?:, \w+)*))", line)
        now += 0 if found is None else 1 if found[1] else len(found[2].split(", "))
        most = max(most, now)
    assert most <= 180


def test_no_script_reads_the_whole_of_what_grows_with_jobs_or_tenants() -> None:
    grows = "reasons|group|backlog|waiting|leases|due|deadlines|ended|batches|unresolved"
    whole = re.compile(rf"ZRANGE', K\.(?:{grows})\([^)]*\), 0, -1")
    sources = sorted(Path(scripts.__file__).parent.rglob("*.lua"))
    assert len(sources) > 100
    assert {file.name: found for file in sources if (found := whole.findall(file.read_text()))} == {}
