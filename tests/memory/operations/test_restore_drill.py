"""memory/operations/restore_drill: real restores, through Azure's own clients"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from memory.__main__ import main
from memory.encryption.document import KEY_BYTES, Document, Entry, base64url, new_id
from memory.encryption.fields import RowCipher
from memory.encryption.vault import AzureVault
from memory.operations.azure import FlexibleServer
from memory.operations.records import append
from memory.operations.restore_drill.checks import ring_cipher
from memory.operations.restore_drill.drill import MARK, name_for
from memory.operations.tenants import open_base
from tests.local.cloud import declared
from tests.memory.operations.azure_cloud import Deployed, deployed

__all__ = ["deployed"]
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PLACE = "memory.zep_memory_vectors"
ENDPOINTS = "Microsoft.Network/privateEndpoints"


def drill(deployed: Deployed, *words: str) -> list[str]:
    given = ["restore-drill", "--server", deployed.server_id, "--json"]
    return [*given, "--settle-seconds", "0", *words]


@pytest.fixture(autouse=True)
def _rows(deployed: Deployed) -> Iterator[None]:
    """Twenty memories that can be searched."""
    deployed.sql(
        "INSERT INTO memory.zep_memory_vectors (session_id, content, embedding)"
        " SELECT 's', 'c' || n, ARRAY[n, 1, 2]::vector FROM generate_series(1, 20) n"
    )
    yield
    deployed.sql("DELETE FROM memory.zep_memory_vectors")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def nothing_is_left(deployed: Deployed) -> bool:
    endpoints = [record.name for record in deployed.world.of_type(ENDPOINTS)]
    return (deployed.servers(), endpoints) == ([deployed.server.name], ["pe"])


def last_record(deployed: Deployed) -> dict[str, Any]:
    query = "SELECT detail FROM memory.memory_operations ORDER BY position DESC LIMIT 1"
    detail: dict[str, Any] = deployed.sql(query)[0][0]
    return detail


def test_a_plan_changes_nothing(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(drill(deployed)) == 1
    plan = told(capsys)
    assert (plan["state"], plan["private"], plan["left"]) == ("Ready", True, [])
    assert plan["earliest"] is not None
    assert nothing_is_left(deployed)


def test_a_drill_proves_the_backup_and_leaves_nothing(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "certificate.json"
    assert main(drill(deployed, "--yes", "--certificate", str(file))) == 0
    found = told(capsys)
    assert found == json.loads(file.read_text(encoding="utf-8"))
    assert (found["ok"], found["removed"]) == (True, True)
    shown = {check["name"]: check["found"] for check in found["checks"]}
    assert shown[f"rows of {PLACE}"] == "20"
    assert any(name.startswith("search by") for name in shown)
    assert nothing_is_left(deployed)
    ended = last_record(deployed)
    assert (ended["state"], ended["digest"]) == ("done", found["digest"])


@pytest.fixture(scope="module")
def vault_key(deployed: Deployed) -> str:
    """The URI of a key that wraps field keys."""
    deployed.make("keyvault:Key", declared.key("fields"))
    return f"{declared.KEY_URI.rsplit('/', 1)[0]}/fields"


def ring_file(folder: Path, vault_key: str) -> Path:
    """A new ring with one key, wrapped by the vault."""
    now = datetime.now(UTC)
    wrapped = AzureVault().wrap(vault_key, os.urandom(KEY_BYTES))
    entry = Entry(
        id=new_id("fields", now), purpose="fields", state="primary", created_at=now,
        wrapped=base64url(wrapped.value), algorithm=wrapped.algorithm, wrapped_by=wrapped.key_uri,
    )  # fmt: skip
    file = folder / "ring.json"
    file.write_text(Document(keys=(entry,)).dump(), encoding="utf-8")
    return file


def test_encrypted_fields_decrypt_with_the_ring_and_not_with_another(
    deployed: Deployed,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    vault_key: str,
) -> None:
    monkeypatch.setenv("ENGRAM_FIELD_KEYS_FILE", str(ring_file(tmp_path, vault_key)))
    rows, row = RowCipher(cipher=ring_cipher()), uuid4()
    sealed = rows.seal(row=row, content="c", metadata={"pii": "Ada"}, sensitivity=["pii"])
    with open_base() as base:
        base.execute(
            "INSERT INTO memory.zep_memory_vectors (id, session_id, content, metadata, key_id)"
            " VALUES (%s, 's', %s, %s, %s)",
            (row, sealed.content, Jsonb(sealed.metadata), sealed.key_id),
        )
    assert main(drill(deployed, "--yes")) == 0
    assert fields_check(capsys) == "1 rows decrypt"
    monkeypatch.setenv("ENGRAM_FIELD_KEYS_FILE", str(ring_file(tmp_path, vault_key)))
    assert main(drill(deployed, "--yes")) == 1
    assert "the ring has no key" in fields_check(capsys)
    assert nothing_is_left(deployed)


def fields_check(capsys: pytest.CaptureFixture[str]) -> str:
    found = [c for c in told(capsys)["checks"] if c["name"] == f"fields of {PLACE}"]
    return str(found[0]["found"])


def test_an_earlier_instant_has_the_rows_of_then(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(drill(deployed, "--mark", "--yes")) == 0
    position = told(capsys)["marker"]["position"]
    deployed.sql("DELETE FROM memory.zep_memory_vectors WHERE content < 'c2'")
    assert main(drill(deployed, "--marker", str(position), "--yes")) == 0
    assert told(capsys)["marker"]["rows"] == {PLACE: 20}


def test_a_backup_without_all_rows_is_not_proven_and_is_removed_all_the_same(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_base() as base:
        wrong = append(base, "restore-marker", {"rows": {PLACE: 21}})
    time.sleep(2.1)  # an instant in the future is no backup's
    assert main(drill(deployed, "--marker", str(wrong.position), "--yes")) == 1
    found = told(capsys)
    assert [c["name"] for c in found["checks"] if not c["ok"]] == [f"rows of {PLACE}"]
    assert last_record(deployed)["failed"] == [f"rows of {PLACE}"]
    assert nothing_is_left(deployed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_killed_drill_left_is_removed_by_the_next(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    words = [sys.executable, "-m", "memory", *drill(deployed, "--yes")]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    wanted = random.Random(seed).choice(["is restored", "ok: TLS", "ok: indexes"])  # noqa: S311 - a moment
    heard = next((line for line in process.stderr if wanted in line), None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert heard is not None
    assert main(drill(deployed, "--clean", "--yes")) == 0
    assert len(told(capsys)["removed"]) == 1
    assert nothing_is_left(deployed)


def test_nothing_without_the_mark_is_removed(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.sql("SELECT 1")
    record = deployed.world.require(deployed.server_id)
    assert MARK not in record.outputs["tags"]
    assert main(drill(deployed, "--clean", "--yes")) == 0
    assert told(capsys) == {"removed": []}
    assert nothing_is_left(deployed)


def test_two_drills_of_one_server_exclude_each_other(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_base() as base:
        base.execute("SELECT pg_advisory_lock(1701734258, 1685220467)")
        assert main(drill(deployed, "--yes")) == 1
    assert "another drill of this server runs" in capsys.readouterr().err


def test_writers_that_do_not_pause_are_waited_for_briefly(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_base() as writer, writer.transaction():
        writer.execute("DELETE FROM memory.zep_memory_vectors WHERE content = 'c1'")
        assert main(drill(deployed, "--mark", "--pause-seconds", "0.2", "--yes")) == 1
    assert "writers would have waited for longer than 0.2 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--marker", "999999", "--yes"], 2, "no entry restore-marker has this position"),
        (["--server", "/subscriptions/x"], 2, "give the ARM id of a Flexible Server"),
        (["--server", "{id}-gone"], 2, "is the id right"),
    ],
)
def test_what_cannot_be_done_is_said(
    deployed: Deployed,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    given = [word.format(id=deployed.server_id) for word in words]
    assert main(drill(deployed, *given)) == code
    assert said in capsys.readouterr().err


def test_a_long_name_makes_room_for_the_drills_own() -> None:
    source = FlexibleServer(id="/a/" + "x" * 63, properties={})
    assert len(name_for(source, datetime(2026, 11, 23, tzinfo=UTC))) == 63
