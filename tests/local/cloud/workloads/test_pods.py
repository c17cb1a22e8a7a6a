"""What a pod that is run for real is given, and how it lives: with a fake API, real processes."""

import os
import signal
import stat
from pathlib import Path

import pytest

from local.cloud.cluster.api import Object
from local.cloud.workloads.pod import AUTHORITY, Pod
from local.cloud.workloads.pods import PROBLEMS
from tests.local.cloud.conftest import TENANT
from tests.local.cloud.door.conftest import SECRET_ID, SECRETS_OFFICER, SECRETS_USER, Azure
from tests.local.cloud.workloads.conftest import (
    CANARY,
    CLASS,
    NAMESPACE,
    SERVES,
    Machine,
    deployment,
    job,
    template,
)

TOKEN = "var/run/secrets/azure/tokens/azure-identity-token"


def pod(machine: Machine, told: Object) -> Pod:
    folder = machine.folder / "one"
    return Pod(namespace=NAMESPACE, template=told, folder=folder, around=machine.around)


# -- what it is given --------------------------------------------------------------------


def test_it_finds_files_where_its_variables_say_and_nobody_else_may_read_them(
    machine: Machine,
) -> None:
    made = pod(machine, template())
    made.mount()
    told = made.environment({8080: 41001})
    assert Path(told["PASSWORD_FILE"]).read_text() == CANARY
    assert Path(told["PGSSLROOTCERT"]).read_text() == "the roots\n"
    assert Path(told["TMPDIR"]).is_dir()
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(told["PASSWORD_FILE"]).stat().st_mode) == 0o600


def test_ports_are_free_ones_and_the_way_is_the_local_clouds(machine: Machine) -> None:
    told = pod(machine, template()).environment({8080: 41001})
    assert (told["ENGRAM_PORT"], told["PGPORT"]) == ("41001", "6543")
    assert told["HTTPS_PROXY"] == machine.around.variables["HTTPS_PROXY"]


def test_aks_webhook_tells_it_who_it_is(machine: Machine) -> None:
    made = pod(machine, template())
    made.mount()
    told = made.environment({})
    assert told["AZURE_CLIENT_ID"] == machine.objects.azure.client_id
    assert (told["AZURE_TENANT_ID"], told["AZURE_AUTHORITY_HOST"]) == (TENANT, AUTHORITY)
    assert Path(told["AZURE_FEDERATED_TOKEN_FILE"]).read_text().count(".") == 2


@pytest.mark.parametrize("without", ["label", "annotation"])
def test_without_label_or_annotation_it_is_nobody(machine: Machine, without: str) -> None:
    told = template()
    if without == "label":
        del told["metadata"]["labels"]["azure.workload.identity/use"]
    else:
        machine.objects.others["serviceaccounts/memory-service"]["metadata"]["annotations"] = {}
    assert not {n for n in pod(machine, told).environment({}) if n.startswith("AZURE_")}


def test_the_interpreter_is_ours_and_arguments_lead_into_its_root(machine: Machine) -> None:
    made = pod(machine, template("python", "-m", "memory", "/etc/engram/secrets/x", "/etc/other"))
    program, *words = made.command(())
    assert Path(program).name.startswith("python")
    assert words == ["-m", "memory", str(made.root / "etc/engram/secrets/x"), "/etc/other"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}, NAMESPACE),
        ({"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, "127.0.0.1"),
        (
            {"valueFrom": {"configMapKeyRef": {"name": "postgres-ca", "key": "ca.crt"}}},
            "the roots\n",
        ),
        ({}, ""),
    ],
)
def test_variables_come_from_where_the_program_may_say(
    machine: Machine, variable: Object, value: str
) -> None:
    told = template()
    told["spec"]["containers"][0]["env"].append({"name": "IT", **variable})
    assert pod(machine, told).environment({})["IT"] == value


def _unknown_variable(told: Object) -> None:
    source = {"resourceFieldRef": {"resource": "limits.cpu"}}
    told["spec"]["containers"][0]["env"].append({"name": "IT", "valueFrom": source})


def _unknown_volume(told: Object) -> None:
    told["spec"]["volumes"][2] = {"name": "tmp", "hostPath": {"path": "/"}}


def _unknown_class(told: Object) -> None:
    told["spec"]["volumes"][0]["csi"]["volumeAttributes"]["secretProviderClass"] = "other"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_unknown_variable, "variable IT of engram: its source is not read here"),
        (_unknown_volume, "volume tmp of engram: no such kind is run here"),
        (_unknown_class, "secretproviderclasses engram/other: not found"),
    ],
)
def test_what_cannot_be_given_is_said(machine: Machine, change: object, words: str) -> None:
    told = template()
    change(told)  # type: ignore[operator]  # one of the functions above
    machine.objects.deployments = [deployment(told)]
    machine.kubelet.look()
    assert not machine.runs()
    assert words in machine.kubelet.problems["memory-service"]
    assert words in (machine.folder / PROBLEMS).read_text()


def test_without_the_grant_it_waits_and_says_why_in_azures_words(
    machine: Machine, azure: Azure
) -> None:
    (grant,) = azure.world.of_type("Microsoft.Authorization/roleAssignments")
    azure.engine.delete("authorization:RoleAssignment", grant.arm_id)
    machine.objects.deployments = [deployment(template())]
    machine.kubelet.look()
    assert "Caller is not authorized" in machine.kubelet.problems["memory-service"]
    assert not machine.runs()
    azure.grant(SECRETS_USER, SECRET_ID)
    machine.until(machine.runs)
    assert machine.kubelet.problems == {}


def test_a_secret_that_changes_reaches_the_pod_in_place(machine: Machine, azure: Azure) -> None:
    machine.objects.deployments = [deployment(template())]
    machine.until(machine.runs)
    pid, token = machine.pid(), machine.file(TOKEN).read_text()
    azure.grant(SECRETS_OFFICER, SECRET_ID)
    azure.secrets().set_secret("password", "the next one")
    machine.kubelet.refresh()
    assert machine.file("etc/engram/secrets/database-password").read_text() == "the next one"
    assert (machine.pid(), machine.file(TOKEN).read_text()) == (pid, token)


def test_a_token_is_renewed_in_time(machine: Machine) -> None:
    made = pod(machine, template())
    made.mount()
    assert not made.refresh()
    os.utime(made.root / TOKEN, (0, 0))
    made.refresh()
    assert machine.objects.tokens == 2


# -- how it lives --------------------------------------------------------------------------


def test_one_that_crashes_is_started_again_and_counted(machine: Machine) -> None:
    machine.objects.deployments = [deployment(template())]
    machine.until(machine.runs)
    first, port = machine.pid(), machine.kubelet.service("memory-service").address
    os.kill(first, signal.SIGKILL)
    machine.until(lambda: machine.runs() and machine.pid() != first)
    service = machine.kubelet.service("memory-service")
    assert (service.note["restarts"], service.address) == ("1", port)


def test_one_that_crashes_again_and_again_is_left_alone_for_longer(machine: Machine) -> None:
    machine.objects.deployments = [deployment(template("python", "-c", "raise SystemExit(3)"))]
    service = machine.kubelet.service("memory-service")
    machine.until(lambda: service.note.get("restarts") == "3")
    assert service.backoff.pause == pytest.approx(0.4)


def test_the_same_template_is_left_alone_and_another_one_replaces(machine: Machine) -> None:
    machine.objects.deployments = [deployment(template(MARK="one"))]
    machine.until(machine.runs)
    first = machine.pid()
    machine.kubelet.look()
    machine.objects.deployments = [deployment(template(MARK="one"), replicas=5)]
    machine.kubelet.look()
    assert machine.pid() == first
    machine.objects.deployments = [deployment(template(MARK="two"))]
    log = machine.kubelet.service("memory-service").process.log
    machine.until(lambda: "two" in log.read_text())
    assert machine.pid() != first


@pytest.mark.parametrize("how", ["removed", "scaled to nothing"])
def test_one_that_shall_not_be_is_ended_and_its_secrets_and_token_are_gone(
    machine: Machine, how: str
) -> None:
    """A token of this cluster is none of the next one's, which may have the same name."""
    machine.objects.deployments = [deployment(template())]
    machine.until(machine.runs)
    root = machine.kubelet.service("memory-service").folder / "root"
    assert any(root.iterdir())
    scaled = [deployment(template(), replicas=0)]
    machine.objects.deployments = [] if how == "removed" else scaled
    machine.kubelet.look()
    assert not machine.runs()
    assert not root.exists()


def test_a_killed_kubelet_leaves_it_running_and_the_next_takes_it_over(machine: Machine) -> None:
    machine.objects.deployments = [deployment(template())]
    machine.until(machine.runs)
    first = machine.pid()
    machine.reborn()
    machine.kubelet.look()
    assert machine.pid() == first
    machine.reborn()
    machine.objects.deployments = []
    machine.kubelet.look()
    assert not machine.runs()


def test_no_secret_is_in_the_list_of_processes_or_in_a_log(machine: Machine) -> None:
    machine.objects.deployments = [deployment(template())]
    machine.until(machine.runs)
    listed = Path(f"/proc/{machine.pid()}/cmdline").read_bytes()
    token = machine.file(TOKEN).read_bytes()
    assert SERVES.encode() in listed
    for file in machine.folder.rglob("*.log"):
        assert CANARY.encode() not in file.read_bytes()
    assert CANARY.encode() not in listed
    assert token not in listed


# -- jobs ------------------------------------------------------------------------------------


def _tries(machine: Machine, given: Object) -> int:
    machine.objects.jobs = [given]
    found = machine.kubelet.job(given)
    machine.until(lambda: found.done(given))
    machine.kubelet.look()
    return len(list(found.folder.glob("exit-*")))


POLICY = {
    "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}],
}


@pytest.mark.parametrize(
    ("code", "spec", "tries"),
    [
        (0, {}, 1),
        (2, {"backoffLimit": 0}, 1),
        (2, {"backoffLimit": 2}, 3),
        (1, {"backoffLimit": 2, "podFailurePolicy": POLICY}, 1),
        (2, {"backoffLimit": 1, "podFailurePolicy": POLICY}, 2),
    ],
)
def test_a_job_is_run_as_often_as_it_says(
    machine: Machine, code: int, spec: dict[str, object], tries: int
) -> None:
    given = job("python", "-c", f"raise SystemExit({code})", **spec)
    assert _tries(machine, given) == tries
    assert machine.kubelet.job(given).exit_code == code
    machine.until(lambda: not machine.kubelet.job(given).process.running)
    machine.reborn()
    machine.kubelet.look()
    assert not machine.kubelet.job(given).process.running


def test_a_job_that_is_killed_with_its_kubelet_is_run_again(
    machine: Machine, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    words = f"import time, pathlib; p = pathlib.Path({str(mark)!r}); p.touch() or time.sleep(0.2)"
    given = job("python", "-c", words)
    machine.objects.jobs = [given]
    found = machine.kubelet.job(given)
    machine.until(lambda: found.process.running)
    number = int((found.folder / "field-keys.pid").read_text())
    os.kill(number, signal.SIGKILL)
    machine.reborn()
    machine.until(lambda: machine.kubelet.job(given).done(given))
    assert machine.kubelet.job(given).exit_code == 0


def test_a_job_past_its_deadline_is_ended(machine: Machine) -> None:
    given = job("python", "-c", "import time; time.sleep(600)", activeDeadlineSeconds=0)
    machine.objects.jobs = [given]
    found = machine.kubelet.job(given)
    machine.until(lambda: found.process.running)
    machine.until(lambda: not found.process.running)


def test_one_that_is_suspended_waits_and_one_that_is_removed_goes(machine: Machine) -> None:
    given = job("python", "-c", "pass", suspend=True)
    machine.objects.jobs = [given]
    machine.kubelet.look()
    found = machine.kubelet.job(given)
    assert not found.process.running
    given["spec"]["suspend"] = False
    machine.until(lambda: found.done(given))
    machine.objects.jobs = []
    machine.kubelet.look()
    assert not found.folder.exists()


def test_every_class_that_is_mounted_is_read_as_its_own_identity(machine: Machine) -> None:
    machine.objects.others[f"secretproviderclasses/{CLASS}"]["spec"]["parameters"]["clientID"] = "x"
    machine.objects.deployments = [deployment(template())]
    machine.kubelet.look()
    assert "AADSTS700016" in machine.kubelet.problems["memory-service"]
