"""One table spells a record's fields: what is submitted, taken and retried follows from it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from homa_shared.model import record_fields
from homa_shared.model.record_fields import RECORD_FIELDS, FieldType, Place, RecordField, fields_at
from homa_shared.store import audit, scripts
from homa_shared.store.transitions import admin, attempts
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.submit import Common, Entry, submit
from tests.transitions.cell import MODEL, Cell

#: Fields that no job has yet: one of a whole submission, one of each job.
FLAVOUR = RecordField("fl", "flavour", "a test's", places=Place.COMMON | Place.TAKEN | Place.RETRIED, absent="plain")
WEIGHT = RecordField("wt", "weight", "a test's", FieldType.NUMBER, Place.ENTRY | Place.TAKEN | Place.RETRIED, absent=0)


@dataclass(frozen=True, slots=True)
class FlavouredCommon(Common):
    flavour: str = "plain"


@dataclass(frozen=True, slots=True)
class WeighedEntry(Entry):
    weight: int = 0


@dataclass(frozen=True, slots=True)
class FlavouredClaim(Claim):
    flavour: str = "plain"
    weight: int = 0


def forget() -> None:
    """What was worked out from the table."""
    cached = (fields_at, record_fields.number_fields, record_fields.by_name, record_fields.by_short)
    for function in (*cached, scripts._put_together, attempts._taken):
        function.cache_clear()


@pytest.fixture
def wider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The table with two rows more, and the attribute of a claim for each."""
    monkeypatch.setattr(record_fields, "RECORD_FIELDS", (*RECORD_FIELDS, FLAVOUR, WEIGHT))
    monkeypatch.setattr(attempts, "Claim", FlavouredClaim)
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("wider")
@pytest.mark.parametrize(("flavour", "weight"), [("sweet", 7), ("plain", 0)])
def test_a_row_of_the_table_travels_from_submit_to_the_worker_and_to_a_retry(
    cell: Cell, flavour: str, weight: int
) -> None:
    common = FlavouredCommon("p", "default", MODEL, flavour=flavour)
    cell.run(submit(cell.keys, common, [WeighedEntry("a", b"{}", bound=1, weight=weight)]))
    claim = cell.claim()
    assert isinstance(claim, FlavouredClaim)
    assert (claim.flavour, claim.weight) == (flavour, weight)
    raw = cell.job("a").raw
    assert ({"fl", "wt"} <= raw.keys()) is (weight > 0), "what absence says too is not written"
    cell.fail(claim)
    cell.run(admin.retry(cell.keys, "a", "b"))
    again = cell.claim()
    assert isinstance(again, FlavouredClaim)
    assert (again.id, again.flavour, again.weight) == ("b", flavour, weight)


def test_names_are_told_apart() -> None:
    assert len({field.short for field in RECORD_FIELDS}) == len(RECORD_FIELDS)
    assert len({field.name for field in RECORD_FIELDS}) == len(RECORD_FIELDS)


def test_a_claim_has_an_attribute_for_each_field_that_take_hands_out() -> None:
    attributes = {field.name for field in dataclasses.fields(Claim)} - {"id", "request", "target", "parents"}
    assert attributes == {field.name for field in fields_at(Place.TAKEN)}


def test_a_submission_has_an_attribute_for_each_field_that_its_jobs_share() -> None:
    attributes = {field.name for field in dataclasses.fields(Common)}
    assert attributes == {field.name for field in fields_at(Place.COMMON)}


def test_an_entry_has_an_attribute_for_each_field_of_its_job() -> None:
    attributes = {field.name for field in dataclasses.fields(Entry)} - {"id", "request", "key", "deadline_ms", "due_ms"}
    assert attributes == {(field.path or field.name).partition(".")[0] for field in fields_at(Place.ENTRY)}


@pytest.mark.parametrize("name", scripts.names())
def test_scripts_name_no_field_beside_the_table(name: str) -> None:
    known = {field.short for field in RECORD_FIELDS}
    assert set(re.findall(r"(?<![\w.])r\.(\w+)", scripts.script(name).text)) <= known


def test_the_audit_reads_fields_of_the_table() -> None:
    assert set(audit._FIELDS) <= {field.short for field in RECORD_FIELDS}


def test_a_defaults_absence_reads_as_the_default() -> None:
    field = record_fields.by_name()["on_ambiguous"]
    assert (field.read(""), field.read("fail")) == ("retry", "fail")
    number = record_fields.by_name()["bound"]
    assert (number.read(""), number.read("9007199254740993")) == (None, 2**53 + 1)
