"""The door as a process of its own: started once, found by anybody, back after a kill."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.cloud.door.daemon import Daemon
from local.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(project=Path(__file__).parents[4], local=tmp_path / ".local")


@pytest.fixture
def daemon(paths: Paths) -> Iterator[Daemon]:
    made = Daemon(paths)
    made.start()
    yield made
    made.stop()


def _number(paths: Paths) -> int:
    return int((paths.cloud / "door" / "door.pid").read_text(encoding="utf-8"))


def test_it_answers_for_azure_and_a_second_start_changes_nothing(
    daemon: Daemon, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in daemon.environment.items():
        monkeypatch.setenv(name, value)
    first = _number(paths)
    Daemon(paths).start()
    assert _number(paths) == first
    with requests.get(
        "https://login.microsoftonline.com/common/discovery/keys", timeout=10
    ) as said:
        assert said.status_code == 404
        assert said.json()["error"]["code"] == "NotFound"
    with requests.get("https://kv-none.vault.azure.net/secrets", timeout=10) as said:
        assert said.json()["error"]["code"] == "VaultNotFound"


def test_a_killed_one_comes_back_at_the_same_port(daemon: Daemon, paths: Paths) -> None:
    url = daemon.url
    os.kill(_number(paths), signal.SIGKILL)
    while daemon.running:
        pass
    daemon.start()
    assert daemon.url == url
    assert requests.get(f"{url}/ready", timeout=10).status_code == 200


def test_it_is_gone_when_it_is_told_to(daemon: Daemon) -> None:
    daemon.stop()
    assert not daemon.running
    daemon.stop()
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{daemon.url}/ready", timeout=10)
