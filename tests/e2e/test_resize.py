"""A server that is too small gets its size, is killed in between, and is made anew of a backup."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.customer import PROGRAM
from tests.e2e.installation import COMMAND_SECONDS, PROJECT, Installation

pytestmark = pytest.mark.e2e

ROW = (
    "INSERT INTO memory.zep_memory_vectors (id, session_id, content, embedding)"
    " VALUES (gen_random_uuid(), 'kept', 'kept', array_fill(0.1, ARRAY[1536])::vector)"
)
KEPT = "SELECT content FROM memory.zep_memory_vectors WHERE session_id = 'kept'"


@pytest.fixture
def own(tmp_path: Path, fresh: Installation) -> Installation:
    """An installation of a copy of the program, whose stack file may be changed."""
    for name in dict.fromkeys([*PROGRAM, "sizing", "tools"]):
        source, target = PROJECT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (tmp_path / ".local").mkdir()
    for made in ("venv", "bin"):
        (tmp_path / ".local" / made).symlink_to(PROJECT / ".local" / made)
    return Installation(folder=fresh.folder, project=tmp_path)


def start(own: Installation, *words: str) -> "subprocess.Popen[str]":
    """Start ``tools/resize.py`` for the stack dev, at home."""
    home = f"{sys.executable} -m local"
    line = ["--stack=dev", f"--outputs={home} outputs --stack dev --json"]
    if words[0] == "apply":
        line.append(f"--engine={home} up --stack dev")
    return subprocess.Popen(
        [sys.executable, "tools/resize.py", *words, *line],
        cwd=own.project, env=own.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def resize(own: Installation, *words: str) -> str:
    """Run it to its end, which must be a good one; return what it said."""
    process = start(own, *words)
    said, _ = process.communicate(timeout=2 * COMMAND_SECONDS)
    assert process.returncode == 0, said
    return said


def server_in_file(own: Installation) -> dict[str, Any]:
    loaded = yaml.safe_load((own.project / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    found: dict[str, Any] = loaded["config"]["engram:settings"]["postgres"]
    return found


@pytest.mark.timeout(1800)
def test_a_small_server_becomes_a_larger_one_and_then_another_one(own: Installation) -> None:
    own.succeed("up")
    own.sql(ROW)
    larger = ("--sku=Standard_B2s", "--storage-gib=64")

    running = start(own, "apply", *larger)
    deadline = time.monotonic() + COMMAND_SECONDS
    while server_in_file(own)["sku"] != "Standard_B2s" and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)  # into the deployment
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    said = resize(own, "apply")
    assert "going on after 0 of 2 stages" in said
    assert "fit for work" in said
    assert "--name max_connections --value 429" in said
    assert own.sql("SHOW max_connections") == [("50",)], "as Azure computed it when it was made"
    assert own.sql(KEPT) == [("kept",)]
    assert server_in_file(own)["storage"] == {"size_gib": 64, "tier": "P6", "auto_grow": True}

    before = own.engine().outputs()["postgres"]["fqdn"]
    said = resize(own, "apply", "--restore")
    after = own.engine().outputs()["postgres"]["fqdn"]
    assert (before != after, "-g2-" in after) == (True, True)
    assert f"{after}: fit for work" in said
    assert own.sql(KEPT) == [("kept",)]
    assert set(own.succeed("up")["changes"]) == {"same"}
