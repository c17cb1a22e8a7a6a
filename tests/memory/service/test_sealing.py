"""What is sensitive is stored encrypted, comes back plain, and is found only by its index."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.memory.conftest import Live
from tests.memory.encryption.folder_vault import FolderVault, ensure_ring, rotated
from tests.memory.service.conftest import Start
from tests.memory.service.memories import error_of, memory, vector
from tests.memory.service.running import Service

PROGRAM = "tests.memory.service.with_folder_vault"
SECRET = "123-45-6789"

pytestmark = pytest.mark.usefixtures("empty")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> FolderVault:
    return FolderVault(tmp_path_factory.mktemp("vault"))


@pytest.fixture(scope="module")
def sealed(start: Start, vault: FolderVault) -> Service:
    """A service with keys."""
    ring(vault).write_text(ensure_ring(vault).dump())
    return start(
        PROGRAM,
        TEST_VAULT=str(vault.folder),
        ENGRAM_FIELD_KEYS_FILE=str(ring(vault)),
        ENGRAM_ENCRYPTED_FIELDS="pii,phi,secret,person.ssn,content",
        ENGRAM_BLIND_INDEXES="person.ssn",
    )


def ring(vault: FolderVault) -> Path:
    return vault.folder / "ring.json"


def add(service: Service, **changed: Any) -> httpx.Response:
    with service.client() as client:
        return client.post("/memories", json=memory(**changed))


def test_a_sensitive_field_is_unreadable_in_the_table_and_plain_for_its_caller(
    sealed: Service, table: Live
) -> None:
    metadata = {"person": {"ssn": SECRET, "city": "Ulm"}, "pii": [1, {"x": SECRET}], "n": 1}
    before = sealed.figure('engram_sealed_memories_total{outcome="encrypted"}')
    added = add(sealed, metadata=metadata, content=f"tea {SECRET}", sensitivity=["pii", "own"])
    ((content, stored, key, index),) = table.owner(
        "SELECT content, metadata, key_id, blind_index FROM memory.zep_memory_vectors"
    )
    assert SECRET not in f"{content}{stored}{index}"
    assert content.startswith(f"engram:v1:{key}:")
    assert stored["person"]["city"] == "Ulm"
    assert list(index) == ["person.ssn"]
    with sealed.client() as client:
        got = client.get(f"/memories/{added.json()['id']}").json()
        (found,) = client.post("/memories/search", json={"embedding": vector(1)}).json()["memories"]
    assert (got["content"], got["metadata"]) == (f"tea {SECRET}", metadata)
    assert found["metadata"] == metadata
    assert sealed.figure('engram_sealed_memories_total{outcome="encrypted"}') == before + 2


def test_the_same_memory_again_is_known_although_its_ciphertext_differs(sealed: Service) -> None:
    own = str(uuid4())
    answers = [add(sealed, id=own, metadata={"pii": SECRET}) for _ in range(2)]
    assert [(a.status_code, a.json()["created"]) for a in answers] == [(201, True), (200, False)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"person": {"ssn": SECRET}}, 1),
        ({"person": {"ssn": "other"}}, 0),
        ({"person": {"ssn": SECRET, "city": "Ulm"}}, 1),
        ({"person": {"ssn": SECRET, "city": "Bonn"}}, 0),
        ({"person.ssn": SECRET}, 1),
        ({"person": {"city": "Ulm"}}, 1),
    ],
)
def test_equality_is_found_by_the_blind_index(
    sealed: Service, wanted: dict[str, Any], found: int
) -> None:
    add(sealed, metadata={"person": {"ssn": SECRET, "city": "Ulm"}})
    with sealed.client() as client:
        answer = client.post("/memories/search", json={"embedding": vector(1), "metadata": wanted})
    assert len(answer.json()["memories"]) == found


@pytest.mark.parametrize("wanted", [{"pii": "x"}, {"pii": {"a": 1}}, {"phi": None}, {"person": {}}])
def test_a_filter_on_an_encrypted_field_is_refused(sealed: Service, wanted: dict[str, Any]) -> None:
    with sealed.client() as client:
        refused = client.post("/memories/search", json={"embedding": vector(1), "metadata": wanted})
    assert error_of(refused) == (400, "field_encrypted")
    assert "is encrypted, so it cannot be searched" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "changed",
    [{"metadata": {"pii": SECRET}}, {"metadata": {"secret": None}},
     {"content": SECRET, "sensitivity": ["phi"]}],
)  # fmt: skip
def test_without_keys_nothing_sensitive_is_stored(
    start: Start, table: Live, changed: dict[str, Any]
) -> None:
    service = start(ENGRAM_ENCRYPTED_FIELDS="pii,phi,secret,content")
    refused = add(service, **changed)
    assert error_of(refused) == (400, "encryption_off")
    assert SECRET not in refused.text
    assert table.owner("SELECT count(*) FROM memory.zep_memory_vectors") == [(0,)]


def test_a_field_that_was_moved_or_changed_is_not_shown(sealed: Service, table: Live) -> None:
    one, other = (
        add(sealed, metadata={"pii": text}, embedding=vector(1)).json()["id"] for text in "ab"
    )
    move = (
        "UPDATE memory.zep_memory_vectors t SET metadata = o.metadata"
        " FROM memory.zep_memory_vectors o WHERE o.id = 'ONE' AND t.id = 'OTHER'"
    )
    table.owner(move.replace("ONE", one).replace("OTHER", other))
    with sealed.client() as client:
        found = client.post("/memories/search", json={"embedding": vector(1)}).json()
        got = client.get(f"/memories/{other}")
    assert [row["id"] for row in found["memories"]] == [one]
    assert found["unreadable"] == [other]
    assert error_of(got) == (500, "unreadable")


def test_a_new_key_is_used_without_a_restart(
    sealed: Service, vault: FolderVault, table: Live
) -> None:
    old = add(sealed, metadata={"pii": "before"}).json()["id"]
    document = rotated(vault)
    new_key = document.primary("fields")
    ring(vault).write_text(document.dump())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        keys = httpx.get(f"{sealed.url}/readyz").json()["field_keys"]
        if new_key is not None and keys["primary"] == new_key.id:
            break
        time.sleep(0.2)
    assert not keys["problem"]
    assert len(keys["known"]) >= 2
    add(sealed, metadata={"pii": "after"})
    with sealed.client() as client:
        assert client.get(f"/memories/{old}").json()["metadata"] == {"pii": "before"}
    used = table.owner("SELECT count(DISTINCT key_id) FROM memory.zep_memory_vectors")
    assert used == [(2,)]


def test_a_service_without_its_keys_is_not_ready_and_says_why(
    start: Start, vault: FolderVault
) -> None:
    service = start(
        PROGRAM, TEST_VAULT=str(vault.folder), ENGRAM_FIELD_KEYS_FILE=str(vault.folder / "none")
    )
    answer = httpx.get(f"{service.url}/readyz")
    assert answer.status_code == 503
    assert "is it mounted?" in answer.json()["checks"]["field keys"]
    assert answer.json()["field_keys"] == {"primary": None, "known": [], "problem": True}
    refused = add(service, metadata={"pii": "x"})
    assert error_of(refused) == (503, "unavailable")
    assert add(service, metadata={"plain": "x"}).is_success
