"""memory/schema/plan_extensions.py: absent, present, older, newer, elsewhere, not on offer."""

from dataclasses import replace

import pytest

from memory.schema.catalog import Catalog
from memory.schema.catalog import Extension as Found
from memory.schema.errors import PlanRefused
from memory.schema.model import DesiredSchema, Extension, IvfFlat, memory_schema
from memory.schema.plan import empty_catalog, plan
from memory.schema.target import expected, managed
from tests.memory.states import WANTED, on_a_server, reached

OFFERED = ("0.10.0", "0.7.4", "0.8.0", "0.8.5")


def pinned(version: str | None, *, into: str = "public") -> DesiredSchema:
    extension = Extension(name="vector", version=version, into=into)
    return WANTED.model_copy(update={"extensions": (extension,)})


def found(desired: DesiredSchema, extension: Found | None) -> Catalog:
    """A live server with this pgvector, and everything else as it is wanted."""
    state = reached(desired)
    others = {name: e for name, e in state.extensions.items() if name != "vector"}
    extensions = others if extension is None else {**others, "vector": extension}
    return on_a_server(replace(state, extensions=extensions))


def vector(installed: str | None, default: str = "0.8.5", into: str | None = "public") -> Found:
    return Found(installed=installed, default=default, offered=OFFERED, into=into)


@pytest.mark.parametrize(
    ("version", "installed", "step"),
    [
        (None, "0.8.5", None),
        (None, "0.7.4", None),
        (None, None, "CREATE EXTENSION vector SCHEMA public"),
        ("0.8.0", None, "CREATE EXTENSION vector SCHEMA public VERSION '0.8.0'"),
        ("0.8.0", "0.8.0", None),
        ("0.8.0", "0.7.4", "ALTER EXTENSION vector UPDATE TO '0.8.0'"),
        ("0.10.0", "0.8.5", "ALTER EXTENSION vector UPDATE TO '0.10.0'"),
    ],
)
def test_versions(version: str | None, installed: str | None, step: str | None) -> None:
    desired = pinned(version)
    catalog = found(desired, vector(installed))
    assert [s.sql for s in plan(catalog, desired).steps] == ([step] if step else [])
    assert (managed(catalog, desired) == expected(desired)) == (step is None)


@pytest.mark.parametrize(
    ("desired", "extension", "message"),
    [
        (WANTED, None, "the server does not offer it; on Azure add it"),
        (
            pinned("0.8.0"),
            vector("0.8.5"),
            "0.8.5 is installed, wanted 0.8.0; extensions have no way back.*set version to 0.8.5",
        ),
        (
            pinned("0.9.9"),
            vector("0.8.5"),
            r"0\.9\.9 is wanted, and the server offers 0\.7\.4, 0\.8\.0, 0\.8\.5, 0\.10\.0; choose",
        ),
        (pinned("0.9.9"), vector(None), r"0\.9\.9 is wanted, and the server offers"),
        (
            pinned(None),
            vector("0.8.5", into="extensions"),
            "its objects are in schema extensions, wanted public.*set into to extensions",
        ),
        (
            pinned(None),
            vector("0.4.4"),
            "hnsw needs 0.5.0, and 0.4.4 is what there is; set version",
        ),
        (pinned(None), vector(None, default="0.4.4"), "hnsw needs 0.5.0.*own is 0.4.4"),
        (pinned("0.4.4"), Found(installed="0.4.4"), "hnsw needs 0.5.0, and 0.4.4 is wanted"),
    ],
)
def test_refusals_name_the_way_out(
    desired: DesiredSchema, extension: Found | None, message: str
) -> None:
    catalog = found(desired, extension)
    with pytest.raises(PlanRefused, match=message):
        plan(catalog, desired)


def test_halfvec_needs_a_later_pgvector_than_vector() -> None:
    """And the state shows it: the next preview refuses too."""
    index = IvfFlat(column="embedding")
    full, half = (memory_schema(column_type=kind, index=index) for kind in ("vector", "halfvec"))
    assert plan(found(full, vector("0.6.2")), full).steps == ()
    catalog = found(half, vector("0.6.2"))
    with pytest.raises(PlanRefused, match=r"halfvec needs 0.7.0, and 0.6.2 is what there is"):
        plan(catalog, half)
    seen = managed(catalog, half)
    assert seen.extensions["vector"].installed == "0.6.2"
    with pytest.raises(PlanRefused, match=r"halfvec needs 0.7.0"):
        plan(seen, half)


@pytest.mark.parametrize(
    ("version", "installed", "notes"),
    [
        (None, "0.8.5", []),
        (None, "0.10.0", []),
        (None, "0.8.0", ["the server offers 0.8.5, and 0.8.0 is installed; set version"]),
        ("0.8.0", "0.8.0", ["the server offers 0.8.5, and 0.8.0 is wanted; set version to 0.8.5"]),
        (
            None,
            "0.7.4",
            ["the server offers 0.8.5, and 0.7.4 is installed", "before 0.8.0 a search that is"],
        ),
    ],
)
def test_notes_what_is_newer(version: str | None, installed: str, notes: list[str]) -> None:
    desired = pinned(version)
    told = plan(found(desired, vector(installed)), desired).notes
    assert len(told) == len(notes)
    for note, words in zip(told, notes, strict=True):
        assert note.startswith(f"extension vector: {words}")


def test_a_state_of_before_knows_no_versions_and_shows_no_difference() -> None:
    state = managed(reached(), WANTED)
    assert state == expected(WANTED)
    assert plan(state, WANTED).notes == ()
    assert plan(empty_catalog("memory"), pinned("0.8.0")).steps[0].sql.endswith("VERSION '0.8.0'")


AUDIT_ABSENT, AUDIT_UNLOADED = None, Found(loaded=False)
AUDIT_LOADED, AUDIT_THERE = Found(), Found(installed="18.0", loaded=False)


@pytest.mark.parametrize(
    ("audit", "live", "steps", "notes"),
    [
        (AUDIT_ABSENT, True, 0, 1),
        (AUDIT_ABSENT, False, 1, 0),
        (AUDIT_UNLOADED, True, 0, 1),
        (AUDIT_LOADED, True, 1, 0),
        (AUDIT_THERE, True, 0, 0),
    ],
)
def test_a_preloaded_extension_waits_for_its_library(
    audit: Found | None, live: bool, steps: int, notes: int
) -> None:
    state = reached()
    others = {name: e for name, e in state.extensions.items() if name != "pgaudit"}
    extensions = others | ({"pgaudit": audit} if audit else {})
    catalog = replace(state, extensions=extensions)
    catalog = on_a_server(catalog) if live else catalog
    result = plan(catalog, WANTED)
    assert [s.sql for s in result.steps] == ["CREATE EXTENSION pgaudit SCHEMA public"] * steps
    assert [note for note in result.notes if "name it in shared_preload_libraries" in note] == [
        *result.notes
    ]
    assert len(result.notes) == notes
    assert (managed(catalog, WANTED) == expected(WANTED)) == (steps == 0), "no diff without a step"
