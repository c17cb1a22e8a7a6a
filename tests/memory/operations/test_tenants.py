"""Which rows an operation reaches is said by the environment, and nothing is guessed."""

import pytest

from memory.operations.errors import TenantRefused
from memory.operations.tenants import Place, places


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "h")
    monkeypatch.setenv("PGUSER", "u")
    monkeypatch.setenv("PGDATABASE", "memory")
    for name in ("ENGRAM_ISOLATION", "ENGRAM_TENANTS"):
        monkeypatch.delenv(name, raising=False)


DEFAULT = Place(tenant="default")


@pytest.mark.parametrize(
    ("kind", "wanted", "found"),
    [
        ("", (), [Place(tenant="*")]),
        ("shared", (), [Place(tenant="*")]),
        ("row", (), [DEFAULT, Place(tenant="acme"), Place(tenant="beta")]),
        ("row", ("beta",), [Place(tenant="beta")]),
        ("row", ("beta", "beta"), [Place(tenant="beta")]),
        ("row", ("*",), [Place(tenant="*")]),
        ("schema", ("acme", "default"), [Place(tenant="acme", schema="memory_acme"), DEFAULT]),
        ("database", ("acme",), [Place(tenant="acme", database="memory_acme")]),
        ("database", ("*",), [DEFAULT, Place(tenant="acme", database="memory_acme"),
                              Place(tenant="beta", database="memory_beta")]),
    ],
)  # fmt: skip
def test_a_tenant_has_a_place(
    monkeypatch: pytest.MonkeyPatch, kind: str, wanted: tuple[str, ...], found: list[Place]
) -> None:
    monkeypatch.setenv("ENGRAM_ISOLATION", kind)
    monkeypatch.setenv("ENGRAM_TENANTS", " acme, beta,,default")
    assert places(wanted) == found


@pytest.mark.parametrize(
    ("kind", "tenants", "wanted", "text"),
    [
        ("rows", "", (), "'rows'; allowed are shared, row, schema, database"),
        ("row", "acme", ("beta",), "no tenant beta; ENGRAM_ISOLATION is row"),
        ("row", 'a"; DROP', (), "is no name of a tenant"),
        ("row", "a" * 41, (), "is no name of a tenant"),
    ],
)
def test_what_is_no_tenant_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str, tenants: str, wanted: tuple[str, ...], text: str
) -> None:
    monkeypatch.setenv("ENGRAM_ISOLATION", kind)
    monkeypatch.setenv("ENGRAM_TENANTS", tenants)
    with pytest.raises(TenantRefused, match=text):
        places(wanted)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(tenant="*"), "memory.zep_memory_vectors"),
        (DEFAULT, "memory.zep_memory_vectors (default)"),
        (Place(tenant="a", schema="memory_a"), "memory_a.zep_memory_vectors (a)"),
        (Place(tenant="a", database="memory_a"), "memory_a: memory.zep_memory_vectors (a)"),
    ],
)
def test_a_place_is_spoken_of_in_words(place: Place, words: str) -> None:
    assert str(place) == words
