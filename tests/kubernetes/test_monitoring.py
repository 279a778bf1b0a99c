"""Alerts and the dashboard ask for metrics that there are, in the way that Prometheus counts them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import yaml

from homa.cli import SUMMARIES
from homa_shared.metrics.catalogue import CATALOGUE
from tests.kubernetes.manifests import K8S, program

#: What the operator adds to each sample, and what histograms have.
BESIDE = {"namespace", "pod", "le"}
_NAME = re.compile(r"\bhoma_\w+")
_MATCHED = re.compile(r"\b(homa_\w+)\{([^}]*)\}")
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def alerts() -> list[dict[str, str]]:
    rule = yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())
    return [one for group in rule["spec"]["groups"] for one in group["rules"]]


def dashboard_queries() -> Iterator[tuple[str, str]]:
    board = orjson.loads((K8S / "monitoring" / "homa.json").read_bytes())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


def queries() -> list[tuple[str, str]]:
    scaling = [yaml.safe_load(path.read_text()) for path in (K8S / "autoscaling").glob("*.yaml")]
    triggers = [one["spec"]["triggers"][0]["metadata"]["query"] for one in scaling if one["kind"] == "ScaledObject"]
    told = [(one["alert"], one["expr"]) for one in alerts()]
    return [*told, *dashboard_queries(), *(("autoscaling", query) for query in triggers)]


@pytest.mark.parametrize(("where", "query"), queries())
def test_a_query_names_metrics_that_there_are(where: str, query: str) -> None:
    names = _NAME.findall(query)
    assert names, where
    for name in names:
        entry = CATALOGUE.get(_SUFFIX.sub("", name) if name not in CATALOGUE else name)
        assert entry is not None, f"{where}: no metric is called {name}"
        if entry.metric.type == "histogram":
            assert _SUFFIX.search(name), f"{where}: {name} is a histogram"
        if entry.metric.type != "gauge" and not query.startswith("label_values"):
            assert re.search(rf"\b(rate|increase)\({name}\b", query), f"{where}: {name} only ever grows"


@pytest.mark.parametrize(("where", "query"), queries())
def test_a_query_asks_for_labels_that_there_are(where: str, query: str) -> None:
    for name, matchers in _MATCHED.findall(query):
        metric = CATALOGUE[_SUFFIX.sub("", name) if name not in CATALOGUE else name].metric
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", matchers)) <= {*metric.labels, *BESIDE}, where
    known = BESIDE.union(
        *(CATALOGUE[_SUFFIX.sub("", n) if n not in CATALOGUE else n].metric.labels for n in _NAME.findall(query))
    )
    for grouped in re.findall(r"\bby \(([^)]*)\)", query):
        assert {label.strip() for label in grouped.split(",")} <= known, where


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    found = alerts()
    assert len({one["alert"] for one in found}) == len(found) > 10
    for one in yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())["spec"]["groups"]:
        for rule in one["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert rule["annotations"]["summary"].endswith((".", ".)"))


def _checked(tmp_path: Path, groups: object) -> None:
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_reads_the_alerts(tmp_path: Path) -> None:
    _checked(tmp_path, yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())["spec"]["groups"])


def test_promtool_reads_what_the_dashboard_asks(tmp_path: Path) -> None:
    asked = [query for _, query in dashboard_queries() if not query.startswith("label_values")]
    filled = [
        query.replace("$__rate_interval", "5m").replace("$namespace", ".*").replace("$provider", ".*")
        for query in asked
    ]
    assert not any("$" in query for query in filled)
    _checked(
        tmp_path, [{"name": "dashboard", "rules": [{"record": f"q:{n}", "expr": q} for n, q in enumerate(filled)]}]
    )


#: An alert, series that are to raise it, when it is looked at, and the labels that it has then.
RAISED = [
    ("HomaStoreAway", {"homa_store_up": "0x20"}, "10m", {"severity": "critical"}),
    (
        "HomaNoWorkers",
        {'homa_needed_workers{provider="p"}': "2x20", 'homa_workers{provider="p"}': "0x20"},
        "15m",
        {"severity": "critical", "provider": "p"},
    ),
    (
        "HomaKeyRefused",
        {'homa_attempt_errors_total{provider="p",error="unauthorized"}': "0 0 1 2 2 2 2 2"},
        "5m",
        {"severity": "critical", "provider": "p"},
    ),
    (
        "HomaBudgetNearlySpent",
        {
            'homa_budget_dollars{budget="b",amount="cap"}': "10x9",
            'homa_budget_dollars{budget="b",amount="spent"}': "8x9",
            'homa_budget_dollars{budget="b",amount="unresolved"}': "1.5x9",
        },
        "5m",
        {"severity": "warning", "budget": "b"},
    ),
]


@pytest.mark.parametrize(("alert", "series", "at", "labels"), RAISED)
def test_an_alert_is_raised_when_it_should_be(
    tmp_path: Path, alert: str, series: dict[str, str], at: str, labels: dict[str, str]
) -> None:
    groups = yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())["spec"]["groups"]
    for group in groups:
        # What promtool compares is the alert; its words are read above.
        group["rules"] = [{key: rule[key] for key in rule if key != "annotations"} for rule in group["rules"]]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    rows = [{"series": name, "values": values} for name, values in series.items()]
    wanted = {"eval_time": at, "alertname": alert, "exp_alerts": [{"exp_labels": labels}]}
    test = {
        "rule_files": ["rules.yml"],
        "tests": [{"interval": "1m", "input_series": rows, "alert_rule_test": [wanted]}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", "test.yml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_name_commands_that_there_are() -> None:
    words = " ".join(
        str(one) for one in yaml.safe_load((K8S / "monitoring" / "alerts.yaml").read_text())["spec"]["groups"]
    )
    named = set(re.findall(r"`homa (\w+)", words))
    assert named
    assert named <= SUMMARIES.keys()
