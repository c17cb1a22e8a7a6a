"""The language host, spoken to as the engine speaks to it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pulumi
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from local.process import is_alive
from local.toolchain import language_host
from local.toolchain.language_host import plugin_command, run_program

PROJECT = Path(language_host.__file__).parents[2]


@contextmanager
def _host() -> Iterator[language_pb2_grpc.LanguageRuntimeStub]:
    command = [sys.executable, "-u", "-m", "local.toolchain.language_host", "127.0.0.1:9"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}  # as the launcher has it
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield language_pb2_grpc.LanguageRuntimeStub(channel)
        process.kill()


@pytest.mark.slow
def test_it_answers_everything_that_the_engine_asks_before_a_run() -> None:
    with _host() as host:
        host.Handshake(language_pb2.LanguageHandshakeRequest(engine_address="127.0.0.1:9"))
        about = host.About(language_pb2.AboutRequest())
        info = host.GetPluginInfo(empty_pb2.Empty())
        wanted = host.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest())
        found = host.GetProgramDependencies(language_pb2.GetProgramDependenciesRequest())
        options = host.RuntimeOptionsPrompts(language_pb2.RuntimeOptionsRequest())
        installed = list(host.InstallDependencies(language_pb2.InstallDependenciesRequest()))
    assert about.executable == sys.executable
    assert info.version
    assert "pulumi" in {dependency.name for dependency in found.dependencies}
    assert (list(wanted.packages), list(options.prompts), installed) == ([], [], [])


@pytest.mark.slow
def test_a_policy_pack_that_cannot_start_says_why_and_ends_with_its_code(tmp_path: Path) -> None:
    request = language_pb2.RunPluginRequest(
        pwd=str(tmp_path),
        args=["127.0.0.1:9"],
        kind="analyzer",
        info=language_pb2.ProgramInfo(program_directory=str(tmp_path), entry_point="."),
    )
    request.info.options["virtualenv"] = sys.prefix
    (tmp_path / "__main__.py").write_text(
        "import sys; sys.stderr.write('no rules\\n'); sys.exit(3)"
    )
    with _host() as host:
        answers = list(host.RunPlugin(request))
    words = b"".join(answer.stderr for answer in answers).decode()
    assert "no rules" in words
    assert answers[-1].exitcode == 3


@pytest.mark.parametrize(
    ("kind", "virtualenv", "python", "module"),
    [
        ("analyzer", "", sys.executable, "local.toolchain.policy_host"),
        ("analyzer", "../venv", "/a/venv/bin/python", "local.toolchain.policy_host"),
        ("resource", "", sys.executable, "pulumi.run.plugin"),
    ],
)
def test_plugins_are_run_by_the_sdk(kind: str, virtualenv: str, python: str, module: str) -> None:
    info = language_pb2.ProgramInfo(program_directory="/a/pack")
    if virtualenv:
        info.options["virtualenv"] = virtualenv
    request = language_pb2.RunPluginRequest(kind=kind, args=["127.0.0.1:9", "--more"], info=info)
    expected = [python, "-u", "-m", module, "127.0.0.1:9", "/a/pack", "--more"]
    assert plugin_command(request) == expected


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import pulumi; raise pulumi.RunError('settings: 2 mistakes')", r"^settings: 2 mistakes$"),
        ("import sys; sys.exit(4)", r"^the program ended with exit code 4$"),
        ("import sys; sys.exit('no')", r"^the program ended with exit code no$"),
        ("1 / 0", r"(?s)^the program failed with an exception:\nTraceback.*ZeroDivisionError"),
        ("def broken(:", r"(?s)^the program failed with an exception:\n.*SyntaxError"),
    ],
)
def test_a_failure_is_told_in_words_that_help(tmp_path: Path, program: str, words: str) -> None:
    (tmp_path / "__main__.py").write_text(program)
    with pytest.raises(pulumi.RunError, match=words):
        run_program(str(tmp_path), ".")


def test_a_traceback_begins_in_the_program(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("def go():\n    1 / 0\n\n\ngo()\n")
    with pytest.raises(pulumi.RunError, match="ZeroDivisionError") as failed:
        run_program(str(tmp_path), ".")
    assert "runpy" not in str(failed.value)
    assert "language_host" not in str(failed.value)
    assert "line 5, in <module>" in str(failed.value)


@pytest.mark.parametrize("ending", ["", "import sys; sys.exit(0)", "import sys; sys.exit()"])
def test_a_program_may_end_well(tmp_path: Path, ending: str) -> None:
    (tmp_path / "main.py").write_text(f"from pathlib import Path\nPath('ran').touch()\n{ending}")
    done = tmp_path / "ran"
    (tmp_path / "main.py").write_text(f"open({str(done)!r}, 'w').close()\n{ending}")
    run_program(str(tmp_path), "main.py")
    assert done.exists()


@pytest.mark.slow
def test_a_policy_pack_ends_with_the_host_that_started_it(tmp_path: Path) -> None:
    """A killed engine tells nobody to stop."""
    (tmp_path / "__main__.py").write_text("import time; print('up'); time.sleep(60)")
    pack = f"{sys.executable} -u -m local.toolchain.policy_host 127.0.0.1:9 {tmp_path}"
    command = ["sh", "-c", f"{pack} & echo $!; wait"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        assert host.stdout.readline() == "up\n"
        host.kill()
        deadline = time.monotonic() + 20
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not is_alive(pid)
