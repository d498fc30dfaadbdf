"""The alerting rules and the dashboard: each alert is seen to fire and not to fire, and leads to what is to be done."""

import json
import re
from pathlib import Path

import pytest
import yaml
from tooling import DEPLOY, ROOT, promtool

RULES = DEPLOY / "prometheus/alerts.yaml"
TESTS = DEPLOY / "prometheus/alerts.test.yaml"
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule]


def test_prometheus_takes_the_settings_of_docker_compose() -> None:
    promtool("check", "config", DEPLOY / "prometheus/prometheus.yml")


def test_the_rules_fire_when_they_should() -> None:
    promtool("test", "rules", TESTS)


@pytest.mark.parametrize("alert", [rule["alert"] for rule in ALERTS])
def test_every_alert_is_seen_to_fire_and_not_to_fire(alert: str) -> None:
    expected = {True: 0, False: 0}
    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for look in case.get("promql_expr_test", []):
            if f'alertname="{alert}"' in look["expr"]:
                expected[bool(look["exp_samples"])] += 1
    assert all(expected.values()), f"firing and silent: {expected}"


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_its_section(rule: dict) -> None:
    file, section = rule["annotations"]["runbook_url"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert section == rule["alert"].lower()
    assert rule["alert"] in headings


def test_the_dashboards_expressions_can_be_read(tmp_path: Path) -> None:
    panels = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    rules = [{"record": f"panel{n}", "expr": re.sub(r"\$__\w+", "5m", e)} for n, e in enumerate(expressions)]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)
