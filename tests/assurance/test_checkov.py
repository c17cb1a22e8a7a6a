"""assurance/checkov: every finding is repaired, or kept with a reason until a day."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from assurance.checkov.findings import EXCEPTIONS, Finding, Findings, read, run
from assurance.errors import AssuranceError
from assurance.exceptions import Kept, faults, load
from assurance.outside.files import write
from local.toolchain.environments import ENVIRONMENTS
from tests.assurance.recorded import stack
from tests.stacks.files import STACKS
from tests.stacks.rendered import objects

TODAY = date(2026, 11, 1)
HOW = "make .local/checkov/.ready"
FOUND = Finding(check="CKV_K8S_40", resource="dev/StatefulSet.zep.graph-store", says="a high id")


def kept(**changes: Any) -> Kept:
    known = {
        "check": "CKV_K8S_40",
        "resource": "*/StatefulSet.zep.graph-store",
        "reason": "Neo4j's own",
        "owner": "us",
        "expires": date(2027, 1, 1),
    }
    return Kept(**{**known, **changes})


# -- the whole program ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Judge all stacks in one run: starting checkov costs more than judging."""
    checkov = ENVIRONMENTS["checkov"]
    assert checkov.in_step, f"checkov is not installed, or not as its lock says: run `{HOW}`"
    folder = tmp_path_factory.mktemp("declared")
    for name in STACKS:
        write(folder, name, stack(name).resources)
    return run(checkov.tool("checkov"), folder)


@pytest.mark.slow
def test_whatever_checkov_finds_is_kept_for_a_reason_and_not_for_ever(found: Findings) -> None:
    listed = load(EXCEPTIONS.read_text(encoding="utf-8"))
    assert faults(found.failed, listed, datetime.now(UTC).date()) == []


@pytest.mark.slow
def test_checkov_looked_at_everything_that_makes_pods(found: Findings) -> None:
    wanted = {
        f"{name}/{manifest['kind']}.zep.{manifest['metadata']['name']}"
        for name in STACKS
        for manifest in objects(name)
        if manifest["kind"]
        in {"Deployment", "StatefulSet", "Job", "CronJob", "ServiceAccount", "Service"}
    }
    assert len(wanted) == len(STACKS) * 20 - 2, "uat and prod end no memories"
    assert wanted - found.judged == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        "arm/Microsoft.KeyVault/vaults",
        "arm/Microsoft.KeyVault/vaults/keys",
        "arm/Microsoft.KeyVault/vaults/secrets",
        "arm/Microsoft.ContainerService/managedClusters",
        "arm/Microsoft.ContainerService/managedClusters/agentPools",
        "arm/Microsoft.Network/networkSecurityGroups",
        "plan/azurerm_postgresql_flexible_server",
        "plan/azurerm_key_vault",
        "plan/azurerm_kubernetes_cluster",
    ],
)
def test_checkov_looked_at_servers_vaults_keys_and_clusters(found: Findings, kind: str) -> None:
    for name in STACKS:
        assert [seen for seen in found.judged if seen.startswith(f"{name}-{kind}.")]


# -- exceptions ----------------------------------------------------------------------------


def test_a_finding_that_is_kept_is_no_fault() -> None:
    assert faults([FOUND], [kept()], TODAY) == []


@pytest.mark.parametrize(
    ("found", "entries", "said"),
    [
        ([FOUND], [], "CKV_K8S_40 of dev/StatefulSet.zep.graph-store: a high id"),
        ([FOUND], [kept(check="CKV_K8S_4")], "CKV_K8S_40 of dev/StatefulSet.zep.graph-store"),
        ([FOUND], [kept(resource="prod/*")], "CKV_K8S_40 of dev/StatefulSet.zep.graph-store"),
        ([FOUND], [kept(resource="prod/*")], "CKV_K8S_40 of prod/*: nothing needs it any more"),
        ([], [kept()], "nothing needs it any more; remove it"),
        ([FOUND], [kept(expires=TODAY)], "expired on 2026-11-01; repair it or give it a new day"),
        ([FOUND], [kept(expires=TODAY)], "CKV_K8S_40 of dev/StatefulSet.zep.graph-store: a high"),
    ],
)
def test_what_is_not_kept_and_what_is_kept_for_nothing_is_a_fault(
    found: list[Finding], entries: list[Kept], said: str
) -> None:
    assert any(said in fault for fault in faults(found, entries, TODAY))


ENTRY = "{check: A, resource: b, reason: c, owner: d, expires: 2027-05-31}"


def test_an_entry_says_everything() -> None:
    (entry,) = load(f"[{ENTRY}]")
    assert (entry.check, entry.expires) == ("A", date(2027, 5, 31))
    assert load("") == ()


@pytest.mark.parametrize(
    ("given", "instead", "said"),
    [
        ("reason: c, ", "", "must say check, expires, owner, reason, resource, all of them"),
        ("reason: c", "reason: ''", "must say check, expires, owner, reason, resource"),
        ("owner: d", "owner: d, until: e", "all of them and no more"),
        ("2027-05-31", "someday", "expires is 'someday'; write 2027-05-31"),
    ],
)
def test_an_entry_that_leaves_something_out_is_refused(given: str, instead: str, said: str) -> None:
    with pytest.raises(AssuranceError, match=said):
        load(f"[{ENTRY.replace(given, instead)}]")


# -- reports -------------------------------------------------------------------------------


def report(**changes: Any) -> dict[str, Any]:
    entry = {
        "check_id": "CKV_K8S_40",
        "check_name": "A high id",
        "file_path": "/dev.yaml",
        "resource": "StatefulSet.zep.graph-store",
    }
    passed = [{**entry, "resource": "Service.zep.zep"}]
    results = {"failed_checks": [entry], "passed_checks": passed, "parsing_errors": []}
    return {"results": {**results, **changes}}


def test_a_report_is_read() -> None:
    assert read(report()) == Findings(
        failed=(Finding(check=FOUND.check, resource=FOUND.resource, says="A high id"),),
        judged=frozenset({FOUND.resource, "dev/Service.zep.zep"}),
        checks=frozenset({FOUND.check}),
    )


def test_reports_of_several_kinds_of_files_are_read_as_one() -> None:
    other = {**report()["results"]["failed_checks"][0], "resource": "Server.db"}
    both = read([report(), report(failed_checks=[other], passed_checks=[])])
    assert {finding.resource for finding in both.failed} == {FOUND.resource, "dev/Server.db"}


def test_a_file_that_checkov_cannot_read_is_no_pass() -> None:
    with pytest.raises(AssuranceError, match=r"cannot read /dev\.yaml"):
        read(report(parsing_errors=["/dev.yaml"]))


def test_without_checkov_the_way_to_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(AssuranceError, match=f"install checkov with `{HOW}`"):
        run(tmp_path / "checkov", tmp_path)


@pytest.mark.parametrize("says", ["echo no report", "echo '{}'", "echo '[]'; echo why >&2; exit 3"])
def test_a_run_without_a_report_is_no_pass(tmp_path: Path, says: str) -> None:
    broken = tmp_path / "checkov"
    broken.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(AssuranceError, match=r"checkov ended with \d and no report"):
        run(broken, tmp_path)
