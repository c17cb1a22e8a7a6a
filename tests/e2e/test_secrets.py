"""No secret in clear: not in state, logs, output, previews, nor in any process's arguments.

The canaries are the stack's own generated passwords: they pass through every layer, and
nobody can tell them from real ones, because they are.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, running

pytestmark = pytest.mark.e2e

PASSWORD = "random:index/randomPassword:RandomPassword"


@contextmanager
def watched_processes() -> Iterator[set[str]]:
    """Collect the command line of every process that runs meanwhile."""
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            seen.update(line for line, _ in running())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def generated_passwords(installation: Installation) -> set[bytes]:
    """Return every password that the stack drew, from the state and with its passphrase."""
    command = ["stack", "export", "--show-secrets", "--stack", "dev"]
    exported = installation.engine().run(command, capture=True)
    resources = json.loads(exported.stdout)["deployment"]["resources"]
    results = [entry["outputs"]["result"] for entry in resources if entry["type"] == PASSWORD]
    return {json.loads(result["plaintext"]).encode() for result in results}


def files_with(secrets: set[bytes], folders: list[Path]) -> list[str]:
    """Return the files below the folders that hold one of the secrets in clear."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return [str(file) for file in files if any(s in file.read_bytes() for s in secrets)]


def test_no_password_is_found_anywhere(fresh: Installation) -> None:
    texts: list[subprocess.CompletedProcess[str]] = []
    with watched_processes() as seen:
        texts.append(fresh.run("up"))
        fresh.sql("REVOKE INSERT ON memory.zep_memory_vectors FROM memory_app")
        texts += [fresh.run(command) for command in ("refresh", "preview", "up", "status")]
    assert [answer.returncode for answer in texts] == [0] * 5

    secrets = generated_passwords(fresh)
    assert len(secrets) == 4  # the administrator's, and one of each role
    output = "\n".join(answer.stdout + answer.stderr for answer in texts).encode()
    arguments = "\n".join(seen).encode()
    assert b"memory schema verify" in arguments, "the watch saw no process of ours"
    assert [s for s in secrets if s in output] == []
    assert [s for s in secrets if s in arguments] == []
    assert files_with(secrets, [fresh.folder, fresh.paths.services]) == []


def test_the_search_finds_a_secret_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"connecting with canary-1 ...")
    assert files_with({b"canary-1"}, [tmp_path]) == [str(tmp_path / "log")]
