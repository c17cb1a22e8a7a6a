"""Tools from their Go modules: read from go.mod, built once, seen whole or not at all."""

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from local.errors import LocalError
from local.paths import Paths
from local.toolchain import build
from local.toolchain.build import GoModule
from local.toolchain.installer import ENGINE, KUBERNETES
from local.toolchain.report import Report

GO = """#!/bin/sh
if [ "$1" = version ]; then echo go version go1.99.0 linux/amd64; exit; fi
echo "$1" >> "{log}"
if [ "$1" = list ]; then printf '%b\\n' '{answer}'; exit; fi
{build}
for argument; do case "$argument" in */) target=$argument;; esac; done
echo b >&2
printf tool > "${{target}}kubectl"; printf tool > "${{target}}etcd"
"""
GO_MOD = "module m\n\ngo 1.26\n\ntool (\n\texample.org/k8s/kubectl\n\texample.org/etcd\n)\n"
GO_MOD += "\nrequire example.org/k8s v1.34.2\n"

Machine = Callable[..., Paths]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoModule:
    """A module of two tools."""
    monkeypatch.setattr(build, "TOOLCHAIN", tmp_path)
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("")
    stamps = {"k.V": "v{version}", "k.Minor": "{major}.{minor}"}
    return GoModule(name="kubernetes", main_module="example.org/k8s", stamps=stamps)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose Go notes what it was asked; ``build`` is what else its build does."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'go'}:/usr/bin:/bin")

    def make(clone: str = "clone", build: str = "", list_answer: str = "a\\nb") -> Paths:
        go = tmp_path / "go" / "go"
        go.parent.mkdir(exist_ok=True)
        go.write_text(GO.format(log=tmp_path / "asked", build=build, answer=list_answer))
        go.chmod(0o755)
        return Paths(project=tmp_path / clone, local=tmp_path / clone / ".local")

    return make


def _report() -> tuple[Report, io.StringIO]:
    words = io.StringIO()
    return Report(Console(file=words)), words


def _asked(tmp_path: Path) -> list[str]:
    log = tmp_path / "asked"
    return log.read_text().split() if log.exists() else []


def test_names_versions_and_tools_come_from_go_mod(module: GoModule) -> None:
    assert module.packages == {"kubectl": "example.org/k8s/kubectl", "etcd": "example.org/etcd"}
    assert module.version == "1.34.2"
    assert module.go_version == (1, 26)
    assert module.flags[-1] == "-s -w -X k.V=v1.34.2 -X k.Minor=1.34"


def test_the_engine_that_is_pinned_is_read_in_full() -> None:
    assert ENGINE.packages == {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"}
    assert ENGINE.version == "3.258.0"


def test_any_changed_dependency_is_another_build(module: GoModule) -> None:
    before = module.key
    (module.folder / "go.sum").write_text("changed")
    assert module.key != before


def test_another_way_to_build_is_another_build(module: GoModule) -> None:
    assert replace(module, debuggable=False).key != module.key
    assert "-gcflags=all=-dwarf=false" in replace(module, debuggable=False).flags


def test_a_tool_has_the_name_of_its_folder_not_of_its_major_version(module: GoModule) -> None:
    (module.folder / "go.mod").write_text("tool example.org/etcd/server/v3\n")
    assert list(module.packages) == ["server"]
    assert list(replace(module, renamed={"server": "etcd"}).packages) == ["etcd"]


def test_a_tool_is_installed_under_its_usual_name(module: GoModule, machine: Machine) -> None:
    paths = machine()
    build.ensure([replace(module, renamed={"etcd": "store"})], paths, _report()[0])
    assert (paths.bin / "store").read_text() == "tool"
    assert not (paths.bin / "etcd").exists()


def test_what_a_tool_reads_is_kept_beside_it(
    module: GoModule, machine: Machine, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    for name in ("a", "b"):
        (tmp_path / "source" / name).write_text(f"{name}: 1\n")
    paths = machine(list_answer=str(tmp_path / "source"))
    documents = {"both.yaml": ("example.org/k8s", ("a", "b"))}
    build.ensure([replace(module, documents=documents)], paths, _report()[0])
    assert (paths.bin / "both.yaml").read_text() == "a: 1\n---\nb: 1\n"


def test_the_control_plane_that_is_pinned_is_read_in_full() -> None:
    assert set(KUBERNETES.packages) == {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        *("kubectl", "kwok"),
    }
    assert KUBERNETES.version in KUBERNETES.flags[-1]
    assert "gitMinor=36" in KUBERNETES.flags[-1]


def test_a_module_without_its_version_is_refused(module: GoModule) -> None:
    (module.folder / "go.mod").write_text("module m\n")
    with pytest.raises(LocalError, match=r"go\.mod names no version of example\.org/k8s"):
        _ = module.version


def test_the_first_clone_builds_and_the_others_only_link(
    module: GoModule, machine: Machine, tmp_path: Path
) -> None:
    first, second = machine("one"), machine("two")
    for paths in (first, first, second):
        build.ensure([module], paths, _report()[0])
    assert _asked(tmp_path) == ["list", "build"]
    assert (second.bin / "etcd").read_text() == "tool"
    assert (first.bin / "kubectl").samefile(second.bin / "kubectl")


def test_clones_that_build_at_once_do_not_collide(
    module: GoModule, machine: Machine, tmp_path: Path
) -> None:
    clones = [machine(name, build="sleep 0.2") for name in ("one", "two", "three")]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda paths: build.ensure([module], paths, _report()[0]), clones))
    assert _asked(tmp_path) == ["list", "build"]
    assert all((paths.bin / "etcd").exists() for paths in clones)


def test_a_killed_build_leaves_nothing_that_counts(
    module: GoModule, machine: Machine, tmp_path: Path
) -> None:
    paths = machine(build="echo no >&2; exit 1")
    with pytest.raises(LocalError, match=r"(?s)`go build` failed:.*no.*module proxy"):
        build.ensure([module], paths, _report()[0])
    assert not (paths.cache / "tools" / module.key).exists()
    build.ensure([module], machine(), _report()[0])
    assert (paths.bin / "etcd").exists()
    assert _asked(tmp_path) == ["list", "build"] * 2


def test_a_tool_that_was_removed_is_linked_again(
    module: GoModule, machine: Machine, tmp_path: Path
) -> None:
    paths = machine()
    build.ensure([module], paths, _report()[0])
    (paths.bin / "etcd").unlink()
    build.ensure([module], paths, _report()[0])
    assert (paths.bin / "etcd").exists()
    assert _asked(tmp_path) == ["list", "build"]


def test_a_new_version_replaces_the_old_one(module: GoModule, machine: Machine) -> None:
    paths = machine()
    build.ensure([module], paths, _report()[0])
    (module.folder / "go.sum").write_text("changed")
    build.ensure([module], paths, _report()[0])
    assert [file.name for file in paths.bin.glob(".kubernetes-*")] == [f".{module.key}"]


def test_a_full_disk_is_named_with_what_is_needed(
    module: GoModule, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "BUILD_GIB", 10**9)
    with pytest.raises(LocalError, match=r"GiB free at .* needs 1e\+09 GiB\. Free some space"):
        build.ensure([module], machine(), _report()[0])


def test_progress_is_two_lines_where_nobody_watches(module: GoModule, machine: Machine) -> None:
    report, words = _report()
    build.ensure([module], machine(), report)
    begun, ended = words.getvalue().splitlines()
    assert begun == "building kubernetes 1.34.2 ..."
    assert ended.startswith("building kubernetes 1.34.2: ready in")


def test_steps_of_several_threads_share_one_display() -> None:
    report, words = Report(Console(file=io.StringIO(), force_terminal=True)), io.StringIO()
    barrier = threading.Barrier(2)

    def work(name: str) -> None:
        with report.step(name) as advance:
            barrier.wait()
            advance(1, 2)

    with ThreadPoolExecutor() as pool:
        list(pool.map(work, ["a", "b"]))
    assert words.getvalue() == ""
