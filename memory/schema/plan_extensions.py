"""Steps for extensions: made, brought to the version that is asked for, and never taken back."""

from collections.abc import Iterator

from memory.schema import model, sql
from memory.schema.catalog import Catalog, Extension
from memory.schema.steps import ACCESS, CATALOG_LOCK, Step
from memory.schema.target import NEEDS, NOT_LOADED, needs, order, waits_for_its_library

ITERATIVE_SCANS = "0.8.0"
"""Of pgvector; its CHANGELOG."""
ABSENT = Extension()


def extension_steps(catalog: Catalog, desired: model.DesiredSchema) -> Iterator[Step]:
    """Create what is absent, update what has another version than asked for."""
    for wanted in desired.extensions:
        installed = catalog.extensions.get(wanted.name, ABSENT).installed
        if waits_for_its_library(catalog, wanted):
            continue
        if installed is None:
            version = f" VERSION '{wanted.version}'" if wanted.version else ""
            statement = (
                f"CREATE EXTENSION {sql.name(wanted.name)} SCHEMA {sql.name(wanted.into)}{version}"
            )
            why = "absent; on Azure it must also be in azure.extensions"
        elif wanted.version and installed != wanted.version:
            statement = f"ALTER EXTENSION {sql.name(wanted.name)} UPDATE TO '{wanted.version}'"
            why = f"installed is {installed}"
        else:
            continue
        yield Step(sql=statement, why=why, lock=CATALOG_LOCK, batch=ACCESS)


def extension_refusals(catalog: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """What the server does not offer, and what cannot be undone."""
    for wanted in desired.extensions:
        found = catalog.extensions.get(wanted.name)
        label = f"extension {wanted.name}"
        if found is None and catalog.server.version_num > 0 and not wanted.preloaded:
            yield (
                f"{label}: the server does not offer it; on Azure add it to the server parameter"
                " azure.extensions, elsewhere install its package"
            )
        if found is not None:
            yield from (f"{label}: {text}" for text in _wrong_version(found, wanted))
            if found.installed and found.into not in (None, wanted.into):
                yield (
                    f"{label}: its objects are in schema {found.into}, wanted {wanted.into}; Azure"
                    f" refuses to move them: set into to {found.into}"
                )
    yield from _too_old(catalog, desired)


def _wrong_version(found: Extension, wanted: model.Extension) -> Iterator[str]:
    if not wanted.version or found.installed == wanted.version:
        return
    if found.offered and wanted.version not in found.offered:
        offered = ", ".join(sorted(found.offered, key=order))
        yield (
            f"version {wanted.version} is wanted, and the server offers {offered}; choose one of"
            " these, or leave version out to take the server's own"
        )
    elif found.installed and order(found.installed) > order(wanted.version):
        yield (
            f"{found.installed} is installed, wanted {wanted.version}; extensions have no way"
            f" back, as a newer one may store what an older cannot read: set version to"
            f" {found.installed} or leave it out"
        )


def _too_old(catalog: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """A pgvector that knows less than the tables use."""
    wanted = next((e for e in desired.extensions if e.name == model.VECTOR.name), None)
    found = catalog.extensions.get(model.VECTOR.name, ABSENT)
    version = wanted and (wanted.version or found.installed or found.default)
    if not version or not order(version):
        return
    for use in sorted(needs(desired)):
        if order(version) < order(NEEDS[use]):
            yield (
                f"extension vector: {use} needs {NEEDS[use]}, and {version} is"
                f" {'wanted' if wanted and wanted.version else 'what there is'}; set version to"
                f" {NEEDS[use]} or later (the server's own is {found.default or 'unknown'}), and it"
                " is updated in place"
            )


def extension_notes(catalog: Catalog, desired: model.DesiredSchema) -> Iterator[str]:
    """What waits for a restart, and what the server has newer."""
    for wanted in desired.extensions:
        label, found = f"extension {wanted.name}", catalog.extensions.get(wanted.name, ABSENT)
        if waits_for_its_library(catalog, wanted):
            yield f"{label}: left out; {NOT_LOADED}"
        version = wanted.version or found.installed
        if not found.installed or not version:
            continue
        if found.default and order(version) < order(found.default):
            yield (
                f"{label}: the server offers {found.default}, and {version} is"
                f" {'wanted' if wanted.version else 'installed'}; set version to {found.default}"
                " to update it"
            )
        if wanted.name == model.VECTOR.name and () < order(version) < order(ITERATIVE_SCANS):
            yield (
                f"{label}: before {ITERATIVE_SCANS} a search that is filtered by session finds"
                " fewer rows than it asks for; iterative scans came with that version"
            )
