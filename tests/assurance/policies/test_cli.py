"""python -m assurance policies: rules listed, files judged, and the exit code."""

import json
from pathlib import Path
from typing import Any

import pytest

from assurance.__main__ import main
from assurance.policies.rules import load

SERVER = "azure-native:dbforpostgresql:Server"


def exported(tmp_path: Path, *resources: dict[str, Any]) -> Path:
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"version": 3, "deployment": {"resources": list(resources)}}))
    return file


def state(kind: str, **inputs: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:lab::engram::{kind}::it"
    return {"urn": urn, "custom": True, "type": kind, "inputs": inputs}


def test_every_rule_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policies", "list"]) == 0
    shown = capsys.readouterr().out
    assert f"{len(load())} rules" in shown
    assert main(["policies", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["rules"]
    assert {rule["name"] for rule in listed} == set(load())
    assert all(rule["remediation"] and rule["ai_rmf"] for rule in listed)


def test_a_violation_is_said_with_its_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported(tmp_path, state(SERVER, network={"publicNetworkAccess": "Enabled"}))
    assert main(["policies", "check", str(file)]) == 1
    shown = capsys.readouterr().out
    assert f"violation postgres-private (critical) of lab/{SERVER}::it" in shown
    assert "network.publicNetworkAccess is Enabled; allowed: Disabled" in shown
    assert "clients come through the endpoint" in shown


def test_the_report_for_programs_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    password = state("random:index/randomPassword:RandomPassword", length=8)
    suffix = state("random:index/randomString:RandomString", length=5)
    assert main(["policies", "check", str(exported(tmp_path, suffix, password)), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    counted = {key: report[key] for key in ("resources", "rules", "undecided", "exceptions")}
    assert counted == {"resources": 2, "rules": len(load()), "undecided": 0, "exceptions": 0}
    assert {finding["rule"] for finding in report["findings"]} == {"secret-password-length"}
    assert report["violations"] == len(report["findings"])


def test_what_keeps_all_rules_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = exported(tmp_path, state("random:index/randomString:RandomString", length=5))
    assert main(["policies", "check", str(file)]) == 0
    assert "1 resources, 0 violations" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [("no json", "Expecting value"), ("{}", "neither a state nor a preview")],
)
def test_what_cannot_be_judged_is_no_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    file = tmp_path / "it.json"
    file.write_text(text, encoding="utf-8")
    assert main(["policies", "check", str(file)]) == 2
    assert said in capsys.readouterr().err
