"""The engine's world: its own environment, configuration and state."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.engine import Engine, localised, not_proxied, salt_of
from local.errors import LocalError
from local.paths import Paths

ECHO = """#!/bin/sh
if [ "$3" = stack ]; then
    printf 'encryptionsalt: v1:new\\n' >> "$2/Pulumi.$5.yaml"
    mkdir -p "{state}/.pulumi/stacks/engram"
    echo '{{"checkpoint": {{"latest": {{}}}}}}' > "{state}/.pulumi/stacks/engram/$5.json"
fi
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An engine whose executable creates stacks as the real one does, and nothing else."""
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("name: engram\nruntime: python\n")
    (program / "Pulumi.dev.yaml").write_text("# why\nconfig:\n  engram:a: 1\n")
    executable = tmp_path / "bin" / "pulumi"
    executable.parent.mkdir()
    executable.write_text(ECHO.format(state=tmp_path / "local" / "state"))
    executable.chmod(0o755)
    paths = Paths(project=program, local=tmp_path / "local")
    return Engine(executable=executable, paths=paths, stack="dev", extra={"PGPORT": "6000"})


def test_nothing_of_the_users_own_pulumi_reaches_the_engine(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {
        "PULUMI_ACCESS_TOKEN": "theirs",
        "PULUMI_BACKEND_URL": "https://app.pulumi.com",
        "ARM_SUBSCRIPTION_ID": "theirs",
        "AZURE_CLIENT_ID": "theirs",
        "PGPASSWORD": "theirs",
        "KUBECONFIG": "theirs",
    }
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    environment = engine.environment()
    assert "theirs" not in environment.values()
    assert environment["PULUMI_BACKEND_URL"] == f"{engine.paths.state.as_uri()}?metadata=skip"
    assert environment["PULUMI_HOME"] == str(engine.paths.local / "pulumi")
    assert environment["PGPORT"] == "6000"
    assert environment["KUBECONFIG"] == os.devnull
    assert environment["PATH"].split(os.pathsep)[0] == str(engine.executable.parent)
    assert environment["ENGRAM_LOCAL"] == str(engine.paths.local)


def test_the_tracked_stack_file_is_never_touched(engine: Engine) -> None:
    engine.prepare()
    tracked = engine.folder / "Pulumi.dev.yaml"
    assert tracked.read_text() == "# why\nconfig:\n  engram:a: 1\n"
    assert engine.config_file.read_text() == tracked.read_text() + "encryptionsalt: v1:new\n"


def test_an_edit_of_the_stack_file_reaches_the_copy_and_the_salt_stays(engine: Engine) -> None:
    engine.prepare()
    (engine.folder / "Pulumi.dev.yaml").write_text("config: {}\n")
    engine.prepare()
    assert engine.config_file.read_text() == "config: {}\nencryptionsalt: v1:new\n"


def test_a_lost_copy_gets_its_salt_back_from_the_state(engine: Engine) -> None:
    engine.prepare()
    latest = {"secrets_providers": {"state": {"salt": "v1:state"}}}
    engine.state_file.write_text(json.dumps({"checkpoint": {"latest": latest}}))
    engine.config_file.unlink()
    engine.prepare()
    assert salt_of(engine.config_file.read_text()) == "v1:state"


def test_the_passphrase_is_private_and_invented_once(engine: Engine) -> None:
    engine.prepare()
    first = engine.paths.passphrase.read_text()
    engine.prepare()
    assert engine.paths.passphrase.read_text() == first
    assert len(first) >= 32
    assert stat.S_IMODE(engine.paths.passphrase.stat().st_mode) == 0o600


def test_a_stack_without_a_file_is_refused_with_those_that_have_one(engine: Engine) -> None:
    stranger = Engine(executable=engine.executable, paths=engine.paths, stack="qa")
    with pytest.raises(LocalError, match=r"'qa' has no file Pulumi\.qa\.yaml; stacks here: dev"):
        stranger.prepare()


@pytest.mark.parametrize(
    ("tracked", "salt", "copy"),
    [
        ("config: {}\n", None, "config: {}\n"),
        ("config: {}", "v1:s", "config: {}\nencryptionsalt: v1:s\n"),
        (
            "secretsprovider: azurekeyvault://v\nencryptedkey: abc\nconfig: {}\n",
            "v1:s",
            "config: {}\nencryptionsalt: v1:s\n",
        ),
        (
            "encryptionsalt: v1:theirs\nconfig: {}\n",
            "v1:ours",
            "config: {}\nencryptionsalt: v1:ours\n",
        ),
    ],
)
def test_local_encryption_takes_the_place_of_the_stacks_own(
    tracked: str, salt: str | None, copy: str
) -> None:
    assert localised(tracked, salt) == copy


def test_the_last_run_says_what_it_changed(engine: Engine) -> None:
    assert engine.last_changes() == {}
    folder = engine.paths.state / ".pulumi" / "history" / "engram" / "dev"
    folder.mkdir(parents=True)
    for moment, changes in ((1, {"create": 3}), (2, {"same": 3})):
        text = json.dumps({"kind": "update", "resourceChanges": changes})
        (folder / f"dev-{moment}.history.json").write_text(text)
    assert engine.last_changes() == {"same": 3}


SAVING = """#!{python}
import signal, sys, time
from pathlib import Path

def save(*_):
    time.sleep(1)
    Path("saved").touch()
    sys.exit(3)

signal.signal(signal.SIGINT, {handler})
Path("started").touch()
time.sleep(60)
"""

INTERRUPTED = """
import sys
from pathlib import Path
from local.engine import Engine
from local.paths import Paths

here = Path(sys.argv[1])
paths = Paths(project=here / "program", local=here / "local")
Engine(executable=here / "bin" / "pulumi", paths=paths, stack="dev").run([])
"""


def _interrupt(engine: Engine, handler: str, times: int) -> float:
    """Start a command as a terminal does, press Ctrl-C so often; return how long it took."""
    engine.executable.write_text(SAVING.format(python=sys.executable, handler=handler))
    here = engine.folder.parent
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, here],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as command:
        while not (engine.folder / "started").exists():
            time.sleep(0.02)
        began = time.monotonic()
        for _ in range(times):
            os.killpg(command.pid, signal.SIGINT)
            time.sleep(0.4)
        assert "KeyboardInterrupt" in command.communicate(timeout=20)[1]
    return time.monotonic() - began


def test_an_interrupted_engine_saves_its_state_before_we_end(engine: Engine) -> None:
    _interrupt(engine, "save", 1)
    assert (engine.folder / "saved").exists()


def test_an_engine_that_ignores_two_interruptions_is_ended(engine: Engine) -> None:
    assert _interrupt(engine, "signal.SIG_IGN", 2) < 15
    assert not (engine.folder / "saved").exists()


@pytest.mark.parametrize(
    ("users", "hosts"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": "a"}, "a,127.0.0.1,localhost"),
        ({"NO_PROXY": "a", "no_proxy": ""}, "a,127.0.0.1,localhost"),
        ({"no_proxy": "a", "no_grpc_proxy": "b"}, "b,127.0.0.1,localhost"),
    ],
)
def test_the_users_exceptions_from_the_proxy_stay(users: dict[str, str], hosts: str) -> None:
    assert not_proxied(users) == hosts


LOOPBACK_CALL = """
from concurrent import futures
import grpc

server = grpc.server(futures.ThreadPoolExecutor(1))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
grpc.channel_ready_future(grpc.insecure_channel(f"127.0.0.1:{port}")).result(timeout=5)
"""


def test_a_dead_proxy_does_not_stand_between_engine_and_plugins(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_grpc_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    command = [sys.executable, "-c", LOOPBACK_CALL]
    answer = subprocess.run(
        command, env=engine.environment(), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
