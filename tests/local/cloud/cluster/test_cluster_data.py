"""What a cluster is made of before a process runs: wishes, certificates, ports, objects."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from cryptography import x509

from local.cloud.cluster import fleet, kubeconfig, ports, tools
from local.cloud.cluster.certificates import OURS, Certificates
from local.cloud.cluster.cluster import Cluster, check
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.objects import IS_DEFAULT, objects_of
from local.cloud.cluster.programs import Programs
from local.cloud.cluster.spec import ClusterSpec
from local.cloud.postgres.account import Account
from local.cloud.postgres.ports import bind
from local.toolchain.installer import KUBERNETES
from tests.kubernetes_cluster import CLUSTER_ID, MEMORY_POOL, SPEC


class Locked(Account):
    """An account that can enter no folder of ours."""

    def reaches(self, folder: Path) -> bool:
        return False


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("cluster") / "certificates")
    made.ensure(Account.choose(), "10.0.0.1")
    return made


def _read(certificates: Certificates, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.certificate(name).read_bytes())


# -- wishes ------------------------------------------------------------------------------


def test_a_wish_is_read_as_it_was_written() -> None:
    pool = replace(MEMORY_POOL, labels={"a": "b"}, taints=("a=b:NoSchedule",))
    spec = replace(SPEC, pools=(pool,), disk_encryption_set_id="/des")
    assert ClusterSpec.from_json(spec.to_json()) == spec


def test_a_wish_of_another_version_of_this_code_is_read_as_far_as_it_is_known() -> None:
    noted = json.loads(SPEC.to_json())
    noted["colour"] = noted["pools"][0]["colour"] = "red"
    del noted["node_resource_group"]
    assert ClusterSpec.from_json(json.dumps(noted)) == SPEC


@pytest.mark.parametrize("version", ["1.36", KUBERNETES.version])
def test_the_built_version_is_offered_with_and_without_its_patch(version: str) -> None:
    check(replace(SPEC, kubernetes_version=version))


@pytest.mark.parametrize("version", ["1.35", "1.36.1", ""])
def test_another_version_is_refused_with_the_one_there_is(version: str) -> None:
    with pytest.raises(ClusterError, match=r"is not offered: .* Write 1\.36 or 1\.36\.\d+\."):
        check(replace(SPEC, kubernetes_version=version))


# -- certificates ------------------------------------------------------------------------


def test_certificates_are_never_made_again(certificates: Certificates) -> None:
    before = {file.name: file.read_bytes() for file in certificates.folder.iterdir()}
    certificates.ensure(Account.choose(), "10.0.0.1")
    assert before == {file.name: file.read_bytes() for file in certificates.folder.iterdir()}


def test_a_killed_attempt_is_not_taken_for_certificates(tmp_path: Path) -> None:
    (tmp_path / "certificates.partial").mkdir()
    (tmp_path / "certificates.partial" / "ca.crt").write_text("half")
    made = Certificates(tmp_path / "certificates")
    made.ensure(Account.choose(), "10.0.0.1")
    assert _read(made, "ca").subject == _read(made, "apiserver").issuer


def test_no_user_of_the_cluster_is_known_to_its_store(certificates: Certificates) -> None:
    of_store = _read(certificates, "etcd-ca")
    for name in ("administrator", "controller-manager", "scheduler", "kwok", "disks"):
        _read(certificates, name).verify_directly_issued_by(_read(certificates, "ca"))
        with pytest.raises(ValueError, match="Issuer certificate subject"):
            _read(certificates, name).verify_directly_issued_by(of_store)
    _read(certificates, "etcd-client").verify_directly_issued_by(of_store)


def test_only_the_administrator_is_in_the_group_of_masters(certificates: Certificates) -> None:
    groups = {
        file.stem: [part.value for part in _read(certificates, file.stem).subject]
        for file in certificates.folder.glob("*.crt")
    }
    assert [name for name, parts in groups.items() if "system:masters" in parts] == [
        "administrator"
    ]


def test_the_server_is_known_by_all_of_its_names(certificates: Certificates) -> None:
    extension = _read(certificates, "apiserver").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    assert [str(address) for address in addresses] == ["127.0.0.1", "10.0.0.1"]
    assert "kubernetes.default.svc" in extension.value.get_values_for_type(x509.DNSName)


def test_keys_are_closed_to_others(certificates: Certificates) -> None:
    for key in certificates.folder.glob("*.key"):
        assert key.stat().st_mode & 0o007 == 0, key.name


def test_keys_that_no_program_needs_are_lent_to_none(certificates: Certificates) -> None:
    mode = 0o640 if Account.choose().foreign else 0o600
    modes = {key.stem: key.stat().st_mode & 0o777 for key in certificates.folder.glob("*.key")}
    assert {name for name, found in modes.items() if found != mode} <= OURS
    assert {modes[name] for name in OURS} == {0o600}


def test_clients_get_the_same_bytes_each_time(certificates: Certificates) -> None:
    url = "https://127.0.0.1:20000"
    text = kubeconfig.for_clients(CLUSTER_ID, url, certificates)
    assert text == kubeconfig.for_clients(CLUSTER_ID, url, certificates)
    document = yaml.safe_load(text)
    assert document["current-context"] == document["clusters"][0]["name"] == "aks-unit"
    assert document["users"][0]["name"] == "clusterUser_rg-unit_aks-unit"
    assert document["clusters"][0]["cluster"]["server"] == url
    assert str(certificates.folder) not in text  # it needs no file


# -- ports -------------------------------------------------------------------------------


def test_no_two_clusters_share_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "COUNT", 60)  # so few that they would meet
    files = [tmp_path / "clusters" / str(number) / "ports.json" for number in range(10)]
    for file in files:
        file.parent.mkdir(parents=True)
        ports.choose(file, ["api", "etcd"])
    chosen = [port for file in files for port in json.loads(file.read_text()).values()]
    assert len(set(chosen)) == len(chosen) == 20
    assert all(20_000 <= port < 20_060 for port in chosen)


def test_only_the_ports_that_others_know_stay_where_somebody_took_them(tmp_path: Path) -> None:
    file = tmp_path / "c" / "ports.json"
    file.parent.mkdir()
    ports.choose(file, ["api", "etcd", "peer"])
    before = json.loads(file.read_text())
    with bind(before["api"]) as api, bind(before["etcd"]) as etcd:
        api.listen()
        etcd.listen()
        ports.choose(file, ["api", "etcd", "peer"], keep=["api"])
    after = json.loads(file.read_text())
    assert {name for name in before if before[name] != after[name]} == {"etcd"}
    assert after["etcd"] not in before.values()


def test_a_port_that_another_program_took_is_named_with_what_to_do(tmp_path: Path) -> None:
    with bind() as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(ClusterError, match=rf"port {port} of etcd of cluster c is used by"):
            ports.refuse_taken(port, "etcd of cluster c", tmp_path)


# -- programs and objects ----------------------------------------------------------------


def test_no_secret_and_no_open_door_in_the_arguments(
    certificates: Certificates, tmp_path: Path
) -> None:
    chosen = {"api": 1, "etcd": 2, "peer": 3, "kubelet": 4}
    programs = Programs(
        spec=SPEC,
        certificates=certificates,
        ports=chosen,
        issuer_url="https://issuer/",
        data=tmp_path,
        kubeconfigs=tmp_path,
    )
    assert "--anonymous-auth=false" in programs.api_server
    assert "--bind-address=127.0.0.1" in programs.api_server
    assert {"--client-cert-auth", "--peer-client-cert-auth"} < set(programs.etcd)
    assert "--secure-port=0" in programs.controller_manager
    assert "--secure-port=0" in programs.scheduler
    every = (programs.etcd, programs.api_server, programs.controller_manager, programs.scheduler)
    for argument in (word for words in every for word in words):
        assert "http://" not in argument
        assert "PRIVATE" not in argument


def test_one_class_is_the_default_and_none_attaches() -> None:
    found = [document for _, document in objects_of(SPEC)]
    classes = [d for d in found if d["kind"] == "StorageClass"]
    defaults = [d for d in classes if d["metadata"]["annotations"][IS_DEFAULT] == "true"]
    assert [d["metadata"]["name"] for d in defaults] == ["default"]
    assert {d["volumeBindingMode"] for d in classes} == {"WaitForFirstConsumer"}
    assert not any(d["spec"]["attachRequired"] for d in found if d["kind"] == "CSIDriver")


@pytest.mark.parametrize(("zones", "sku"), [(("1", "2"), "ZRS"), (("1",), "LRS"), ((), "LRS")])
def test_disks_are_kept_in_all_zones_where_nodes_are_in_several(
    zones: tuple[str, ...], sku: str
) -> None:
    spec = replace(SPEC, pools=(replace(MEMORY_POOL, zones=zones),))
    found = [d for _, d in objects_of(spec) if d["kind"] == "StorageClass"]
    assert {d["parameters"]["skuname"][-3:] for d in found} == {sku}


def test_the_secrets_stores_types_come_with_its_add_on() -> None:
    def kinds(spec: ClusterSpec) -> list[str]:
        found = [d for _, d in objects_of(spec) if d["kind"] == "CustomResourceDefinition"]
        return [d["spec"]["names"]["kind"] for d in found]

    assert kinds(SPEC) == ["SecretProviderClass", "SecretProviderClassPodStatus"]
    assert kinds(replace(SPEC, addons=frozenset())) == []


# -- tools -------------------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tools of a clone that nobody has built anything in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr("local.paths.Paths.bin", folder)
    monkeypatch.setattr("local.paths.Paths.service_cache", tmp_path / "shared")
    return folder


@pytest.mark.usefixtures("clone")
def test_tools_that_are_not_built_are_named() -> None:
    with pytest.raises(ClusterError, match=r"not built yet: etcd, kube-.*run `make setup`"):
        tools.folder(Account.choose())


def test_an_account_that_cannot_enter_the_clone_gets_copies(clone: Path) -> None:
    for name in KUBERNETES.contents:
        (clone / name).write_text(name)
        (clone / name).chmod(0o700)
    before = os.umask(0o077)
    try:
        found = tools.folder(Locked("nobody", 65534, 65534, foreign=True))
    finally:
        os.umask(before)
    assert found != clone
    for name in KUBERNETES.contents:
        assert (found / name).read_text() == name
        assert (found / name).stat().st_mode & 0o005 == 0o005
    assert all(folder.stat().st_mode & 0o001 for folder in (found, found.parent))


def _built(clone: Path) -> Account:
    for name in KUBERNETES.contents:
        (clone / name).write_text(name)
    return Locked("nobody", 65534, 65534, foreign=True)


def test_copies_that_nobody_asked_for_in_a_long_time_go(clone: Path, tmp_path: Path) -> None:
    old, young = tmp_path / "shared" / "tools" / "old", tmp_path / "shared" / "tools" / "young"
    for copy in (old, young):
        copy.mkdir(parents=True)
    long_ago = time.time() - tools.KEPT_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    account = _built(clone)
    found = tools.folder(account)
    assert (old.exists(), young.exists()) == (False, True)
    os.utime(found, (long_ago, long_ago))
    assert tools.folder(account).stat().st_mtime > long_ago  # it is asked for


def test_a_disk_without_room_for_the_copies_is_named(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = _built(clone)
    full = SimpleNamespace(total=10, used=10, free=0)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: full)
    with pytest.raises(ClusterError, match=r"takes \d+ MiB, and 0 MiB are free: make room"):
        tools.folder(account)


# -- removal -----------------------------------------------------------------------------


def test_what_cannot_be_removed_is_named_and_counts_as_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clusters" / "c"
    folder.mkdir(parents=True)
    for name in ("id", "created", "spec.json"):
        (folder / name).write_text(name)
    monkeypatch.setattr("local.cloud.cluster.cluster.remove_tree", lambda _folder: None)
    cluster = Cluster("/c", folder)
    with pytest.raises(ClusterError, match=r"c of cluster c cannot be removed completely"):
        cluster.remove()
    assert [file.name for file in folder.iterdir()] == ["spec.json"]


# -- many clusters -----------------------------------------------------------------------


@pytest.fixture
def fleet_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A fleet whose first cluster fails in some way of its own, and what its second did."""
    done: list[str] = []
    for name in ("bad", "good"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "id").write_text(f"/{name}")
        (folder / "created").touch()

    def act(cluster: Cluster) -> None:
        if cluster.name == "bad":
            raise PermissionError(1, "Operation not permitted")
        done.append(cluster.cluster_id)

    monkeypatch.setattr(fleet, "_folder", lambda: tmp_path)
    monkeypatch.setattr(fleet, "_cluster", lambda arm_id: Cluster(arm_id, tmp_path / arm_id[1:]))
    monkeypatch.setattr(Cluster, "start", act)
    monkeypatch.setattr(Cluster, "stop", act)
    return done


def test_a_cluster_that_does_not_start_is_named_and_the_others_start(
    fleet_of_two: list[str],
) -> None:
    failures = fleet.start(["/bad", "/good", "/gone"])
    assert failures == {"/bad": "cluster bad: [Errno 1] Operation not permitted"}
    assert fleet_of_two == ["/good"]


def test_a_cluster_that_does_not_stop_is_named_and_the_others_stop(
    fleet_of_two: list[str],
) -> None:
    with pytest.raises(ClusterError, match=r"cluster bad: .*Operation not permitted"):
        fleet.stop_all()
    assert fleet_of_two == ["/good"]


def test_a_cluster_that_is_being_removed_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "id").write_text("/half")
    monkeypatch.setattr(fleet, "_folder", lambda: tmp_path)
    assert fleet.status() == []
