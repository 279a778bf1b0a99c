"""`/metrics`: the store's metrics, for who may see the fleet."""

from __future__ import annotations

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from homa_shared.metrics.catalogue import CATALOGUE, Source
from homa_shared.store.gateway_keys import Role
from tests.gateway.conftest import Cell
from tests.gateway.test_keys import make
from tests.gateway.wire import told


def test_metrics_are_the_stores_and_each_is_described(bare_cell: Cell) -> None:
    bare_cell.start_gateway()
    answer = httpx2.get(f"{bare_cell.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    shown = {family.name: family for family in text_string_to_metric_families(answer.text)}
    described = {name.removesuffix("_total") for name, entry in CATALOGUE.items() if entry.source is Source.STORE}
    assert shown
    assert shown.keys() <= described
    assert [sample.value for sample in shown["homa_store_up"].samples] == [1.0]
    assert all(family.documentation for family in shown.values())


@pytest.mark.parametrize(("role", "status"), [(Role.TENANT, 403), (Role.VIEWER, 200)])
def test_a_tenant_does_not_see_the_fleet(bare_cell: Cell, role: Role, status: int) -> None:
    bare_cell.start_gateway()
    _, shown = make(bare_cell, role)
    assert told(httpx2.get(f"{bare_cell.url}/metrics"))["code"] == "invalid_api_key"
    answer = httpx2.get(f"{bare_cell.url}/metrics", headers={"authorization": f"Bearer {shown}"})
    assert answer.status_code == status
    if status != 200:
        assert told(answer)["code"] == "role_not_allowed"
