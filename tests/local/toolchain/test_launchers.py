"""The scripts through which the engine finds our programs, and which engine it is."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from local.errors import LocalError
from local.paths import Paths
from local.toolchain import installer, launchers
from local.toolchain.build import GoModule
from local.toolchain.report import Report


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A clone whose path a shell would split."""
    clone = tmp_path / "a clone"
    python = clone / ".local" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s|" "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    return Paths(project=clone, local=clone / ".local")


def _run(script: Path, *arguments: str, **environment: str) -> list[str]:
    answer = subprocess.run(
        [script, *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.rstrip("|").split("|")


def test_plugins_bear_the_version_that_their_sdk_asks_for(paths: Paths) -> None:
    launchers.install_plugins(paths)
    for name, package in launchers.PROVIDERS.items():
        version = launchers.sdk_version(package)
        script = paths.plugins / f"resource-{name}-v{version}" / f"pulumi-resource-{name}"
        expected = [str(paths.project), "-u", "-m", "local.cloud.plugin", name, "127.0.0.1:9"]
        assert _run(script, "127.0.0.1:9") == expected


def test_the_users_own_python_path_comes_second(paths: Paths) -> None:
    launchers.install_beside_engine(paths)
    found = _run(paths.bin / "pulumi-language-python", PYTHONPATH="/theirs")
    assert found == [f"{paths.project}:/theirs", "-u", "-m", "local.toolchain.language_host"]


def test_children_of_a_plugin_are_safe_from_grpc(paths: Paths) -> None:
    (paths.venv / "bin" / "python").write_text('#!/bin/sh\necho "$GRPC_ENABLE_FORK_SUPPORT"\n')
    launchers.install_plugins(paths)
    script = next(paths.plugins.glob("*/pulumi-resource-azure-native"))
    assert _run(script) == ["false\n"]


def test_the_cloud_does_not_follow_its_clients_way_to_itself(paths: Paths) -> None:
    (paths.venv / "bin" / "python").write_text('#!/bin/sh\necho "$PGPORT|$PGHOSTADDR|$OTHER"\n')
    launchers.install_plugins(paths)
    script = next(paths.plugins.glob("*/pulumi-resource-azure-native"))
    assert _run(script, PGPORT="6000", PGHOSTADDR="127.0.0.1", OTHER="kept") == ["", "", "kept\n"]


def test_a_script_is_written_once_and_again_when_it_is_stale(paths: Paths) -> None:
    launchers.install_plugins(paths)
    script = next(paths.plugins.glob("*/pulumi-resource-random"))
    before = script.stat().st_ino
    launchers.install_plugins(paths)
    assert script.stat().st_ino == before
    script.write_text("#!/bin/sh\n")
    launchers.install_plugins(paths)
    assert "local.cloud.plugin random" in script.read_text()


def test_versions_are_the_sdks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pulumi_canary"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('an SDK is slow to import')\n")
    (package / "pulumi-plugin.json").write_text(json.dumps({"version": "9.8.7"}))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert launchers.sdk_version("pulumi_canary") == "9.8.7"


def test_a_missing_sdk_is_named_with_the_remedy() -> None:
    with pytest.raises(LocalError, match="pulumi_nowhere is not installed; run `make setup`"):
        launchers.sdk_version("pulumi_nowhere")


@pytest.mark.parametrize(
    ("cli", "used"),
    [
        (("v3.258.0", True), True),
        (("v3.300.1", True), True),
        (("v4.0.0", True), True),
        (("v3.257.9", True), False),
        (("v3.300.1", False), False),
        (("", True), False),
    ],
)
def test_an_installed_cli_is_used_when_new_enough_and_complete(
    paths: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cli: tuple[str, bool],
    used: bool,
) -> None:
    version, with_host = cli
    folder = _cli(tmp_path / "official", version, with_host=with_host)
    monkeypatch.setenv("PATH", str(folder))
    assert installer.official_engine(paths) == (folder / "pulumi" if used else None)


def test_our_own_build_is_not_taken_for_an_installed_cli(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cli(paths.bin, "v3.258.0", with_host=True)
    monkeypatch.setenv("PATH", str(paths.bin))
    assert installer.official_engine(paths) is None


@pytest.mark.parametrize("official", [True, False])
def test_an_engine_is_built_only_where_none_is_installed(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, official: bool
) -> None:
    built: list[str] = []

    def note(modules: list[GoModule], *_rest: object) -> None:
        built.extend(module.name for module in modules)

    monkeypatch.setattr("local.toolchain.build.ensure", note)
    folder = _cli(tmp_path / "official", "v3.300.0", with_host=True)
    monkeypatch.setenv("PATH", str(folder) if official else os.defpath)
    engine = installer.ensure(paths, Report(Console(quiet=True)))
    assert engine == (folder if official else paths.bin) / "pulumi"
    assert built == ["kubernetes"] if official else ["engine", "kubernetes"]
    assert (paths.bin / "pulumi-language-python").exists() is not official
    assert list(paths.plugins.glob("resource-azure-native-v*"))


def _cli(folder: Path, version: str, *, with_host: bool) -> Path:
    folder.mkdir(exist_ok=True)
    scripts = {"pulumi": f"#!/bin/sh\necho {version}\n"}
    if with_host:
        scripts["pulumi-language-python"] = "#!/bin/sh\n"
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
