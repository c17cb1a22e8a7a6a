"""What each check says of facts that are not as they should be, in a table."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assurance.compliance.checks import CHECKS
from assurance.compliance.checks.database import SERVER
from assurance.compliance.model import Outcome
from assurance.compliance.truths import Truths
from assurance.errors import AssuranceError
from tests.assurance.compliance.truths import AT, clean

Facts = Mapping[str, Any]
SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "sql-tls-required": ({"ssl": "off"}, "ssl is off"),
    "sql-tls-version": (
        {"ssl_min_protocol_version": "TLSv1.2"},
        "is TLSv1.2; it should be TLSv1.3",
    ),
    "sql-passwords": ({"password_encryption": "md5"}, "password_encryption is md5"),
    "sql-audit-settings": ({"pgaudit.log": "none"}, "pgaudit.log leaves out ddl, misc, role"),
}
AUDIT = [
    ({"shared_preload_libraries": ""}, "pgaudit is not loaded"),
    ({"log_connections": ""}, "log_connections is empty"),
    ({"log_disconnections": "off"}, "log_disconnections is off"),
]


def with_settings(**changed: str) -> Truths:
    truths = clean()
    assert truths.database is not None
    settings = {**truths.database["settings"], **changed}
    return replace(truths, database={**truths.database, "settings": settings})


def with_facts(key: str, value: Any) -> Truths:
    truths = clean()
    assert truths.database is not None
    return replace(truths, database={**truths.database, key: value})


def found(check: str, truths: Truths, at: datetime = AT) -> tuple[Outcome, str]:
    seen = CHECKS[check].observe(truths, at)
    return seen.outcome, seen.found


@pytest.mark.parametrize(
    ("check", "changed", "words"),
    [
        *((check, *rest) for check, rest in SETTINGS.items()),
        *(("sql-audit-settings", *rest) for rest in AUDIT),
    ],
)
def test_a_setting_that_was_weakened_is_found(
    check: str, changed: dict[str, str], words: str
) -> None:
    outcome, said = found(check, with_settings(**changed))
    assert (outcome, words in said) == (Outcome.FAILS, True), said


def test_audit_of_everything_is_enough() -> None:
    assert found("sql-audit-settings", with_settings(**{"pgaudit.log": "all"}))[0] is Outcome.HOLDS


@pytest.mark.parametrize("became", ["asked for a password", "let in"])
def test_a_server_that_talks_without_tls_is_found(became: str) -> None:
    outcome, said = found("sql-tls-required", with_facts("plaintext", became))
    assert (outcome, said) == (Outcome.FAILS, f"without TLS one is {became}")


def test_sessions_that_one_may_not_see_are_not_called_encrypted() -> None:
    session = {"login": "zep_app", "application": "", "tls": None, "version": None, "number": 2}
    outcome, said = found("sql-tls-sessions", with_facts("sessions", [session]))
    assert (outcome, "it needs pg_monitor" in said) == (Outcome.UNASSESSED, True)


@pytest.mark.parametrize("how", [{"elsewhere": True}, {"kind": "f"}])
def test_a_table_outside_of_the_servers_storage_is_found(how: dict[str, Any]) -> None:
    relation = {"name": "copies", "kind": "r", "elsewhere": False, **how}
    schema = {"database": "memory", "schema": "memory", "relations": [relation]}
    database = clean().database or {}
    outcome, said = found("sql-storage", with_facts("schemas", [*database["schemas"], schema]))
    assert (outcome, said) == (Outcome.FAILS, "memory.copies is kept elsewhere")


@pytest.mark.parametrize(
    ("name", "index", "type_", "words"),
    [
        ("invalid", {"valid": False}, "vector(1536)", "has no valid hnsw index"),
        ("not ready", {"ready": False}, "vector(1536)", "has no valid hnsw index"),
        ("dimension", {}, "vector(768)", "embedding is vector(768); declared is vector(1536)"),
    ],
)
def test_an_index_or_a_dimension_that_differs_is_found(
    name: str, index: dict[str, bool], type_: str, words: str
) -> None:
    table = "zep_memory_vectors"
    schema = {
        "database": "memory",
        "schema": "memory",
        "indexes": [{"relation": table, "method": "hnsw", "valid": True, "ready": True, **index}],
        "columns": [{"relation": table, "name": "embedding", "type": type_}],
    }
    outcome, said = found("sql-vector-index", with_facts("schemas", [schema]))
    assert (outcome, words in said) == (Outcome.FAILS, True), f"{name}: {said}"


def versions(*created: str, **attributes: Any) -> Truths:
    kids = {entry["kid"].rpartition("/")[0] for entry in clean().key_versions or ()}
    return replace(
        clean(),
        key_versions=tuple(
            {"kid": f"{kid}/{day}", "attributes": {"created": f"{day}T00:00:00Z", **attributes}}
            for kid in kids
            for day in created
        ),
    )


@pytest.mark.parametrize(
    ("truths", "outcome", "words"),
    [
        (versions("2026-11-01"), Outcome.HOLDS, "1 versions, the newest 22 days old"),
        (versions("2026-11-01", "2026-05-01"), Outcome.HOLDS, "2 versions, the newest 22"),
        (versions("2026-05-01"), Outcome.FAILS, "206 days old; it is rotated after 90"),
        (versions("2026-11-01", enabled=False), Outcome.FAILS, "newest version is disabled"),
        (versions(), Outcome.FAILS, "no version is listed"),
        (versions("2026-11-24"), Outcome.FAILS, "is younger than this collection, of 2026-11-23"),
        (replace(clean(), key_versions=None), Outcome.UNASSESSED, "az keyvault key list-versions"),
    ],
)
def test_a_key_is_as_young_as_its_policy_says(truths: Truths, outcome: Outcome, words: str) -> None:
    got, said = found("key-rotated", truths)
    assert (got, words in said) == (outcome, True), said


@pytest.mark.parametrize(
    ("truths", "outcome", "words"),
    [
        (versions("2026-11-01"), Outcome.UNASSESSED, "no key was rotated yet"),
        (versions("2026-08-01", "2026-10-30"), Outcome.HOLDS, "4 of 4 rotations came in time"),
        (versions("2026-05-01", "2026-10-30"), Outcome.FAILS, "rotated 2026-10-30, 182 days on"),
    ],
)
def test_there_is_no_rate_before_the_first_rotation(
    truths: Truths, outcome: Outcome, words: str
) -> None:
    got, said = found("key-rotations", truths)
    assert (got, words in said) == (outcome, True), said


def emptied(key: str) -> Truths:
    """Return a database whose schemas have none of something."""
    database = clean().database or {}
    return with_facts("schemas", [{**schema, key: []} for schema in database["schemas"]])


def without_disks() -> Truths:
    return replace(clean(), cluster={**(clean().cluster or {}), "claims": []})


def undeclared() -> Truths:
    """Return a program that wants no table; its server's name is known all the same."""
    servers = tuple(clean().declared.of_type(SERVER))
    return replace(clean(), declared=replace(clean().declared, resources=servers))


@pytest.mark.parametrize(
    ("check", "truths", "outcome", "words"),
    [
        ("sql-storage", emptied("relations"), Outcome.FAILS, "zep_memory_vectors: declared, and"),
        ("sql-storage", with_facts("schemas", []), Outcome.FAILS, "declared, and not there"),
        ("sql-storage", undeclared(), Outcome.UNASSESSED, "declares no table"),
        ("sql-vector-index", undeclared(), Outcome.UNASSESSED, "declares no table"),
        ("sql-access", emptied("rights"), Outcome.UNASSESSED, "nobody may anything with memory/"),
        ("sql-access", with_facts("schemas", []), Outcome.UNASSESSED, "nobody may anything"),
        ("sql-tls-sessions", with_facts("sessions", []), Outcome.UNASSESSED, "nobody else is conn"),
        ("cluster-storage", without_disks(), Outcome.UNASSESSED, "no disk was found"),
        ("sql-tls-required", with_facts("plaintext", "unknown: no route to host"),
         Outcome.UNASSESSED, "unknown: no route to host"),
    ],
)  # fmt: skip
def test_nothing_at_all_satisfies_nothing(
    check: str, truths: Truths, outcome: Outcome, words: str
) -> None:
    got, said = found(check, truths)
    assert (got, words in said) == (outcome, True), said


DATABASE = [name for name, check in CHECKS.items() if check.source == "database"]


@pytest.mark.parametrize("check", DATABASE)
def test_another_server_says_nothing_of_this_one(check: str) -> None:
    host = "psql-somebodys.postgres.database.azure.com"
    outcome, said = found(check, with_facts("host", host))
    assert outcome is Outcome.UNASSESSED
    assert said.startswith(f"another server: {host} answered; this deployment's is psql-engram-")


@pytest.mark.parametrize(
    ("name", "elevated", "outcome"),
    [
        ("azuresu", {"superuser", "bypasses_rls"}, Outcome.HOLDS),
        ("replication", {"replicates"}, Outcome.HOLDS),
        ("replication", {"replicates", "bypasses_rls"}, Outcome.FAILS),
        ("azure_backdoor", set(), Outcome.FAILS),
        ("azuresu2", {"creates_roles"}, Outcome.FAILS),
    ],
)
def test_azures_own_logins_are_known_by_their_whole_names(
    name: str, elevated: set[str], outcome: Outcome
) -> None:
    login = {"name": name, "superuser": False, **dict.fromkeys(elevated, True)}
    assert found("sql-logins", with_facts("logins", [login]))[0] is outcome


@pytest.mark.parametrize(
    ("member", "role", "outcome"),
    [
        ("azure_pg_admin", "pg_monitor", Outcome.HOLDS),
        ("azuresu", "azure_pg_admin", Outcome.HOLDS),
        ("azure_pg_admin", "memory_owner", Outcome.FAILS),
        ("azure_backdoor", "pg_read_all_data", Outcome.FAILS),
    ],
)
def test_azures_own_roles_belong_to_built_in_ones(member: str, role: str, outcome: Outcome) -> None:
    entry = {"member": member, "role": role, "admin": False, "inherits": True, "sets": True}
    assert found("sql-memberships", with_facts("memberships", [entry]))[0] is outcome


def test_a_version_without_a_day_is_refused() -> None:
    entry = {**(clean().key_versions or ())[0], "attributes": {}}
    with pytest.raises(AssuranceError, match="does not say when it was created"):
        found("key-rotated", replace(clean(), key_versions=(entry,)))


def test_a_list_that_is_none_of_key_versions_is_refused() -> None:
    with pytest.raises(AssuranceError, match="None is no version of a key; give what `az"):
        found("key-rotated", replace(clean(), key_versions=({},)))


def logged(**otherwise: Any) -> tuple[Facts, ...]:
    """Return a log with an entry of each vault."""
    return tuple({**entry, **otherwise} for entry in clean().key_access or ())


NO_EVIDENCE: list[tuple[Facts, ...]] = [
    (),
    ({},),
    logged(HttpStatusCode=None),
    logged(HttpStatusCode="none"),
    logged(OperationName="SecretGet"),
    logged(TimeGenerated="2026-11-16T13:59:59Z"),
    logged(TimeGenerated="2026-11-24T14:00:00Z"),
    logged(TimeGenerated=None),
    logged(_ResourceId="/subscriptions/x/providers/microsoft.keyvault/vaults/somebodys"),
    logged(_ResourceId=None),
]


@pytest.mark.parametrize(
    ("entries", "outcome", "words"),
    [
        (None, Outcome.UNASSESSED, "AZKVAuditLogs"),
        (logged(), Outcome.HOLDS, "4 operations on keys within 7 days, none refused"),
        ((*logged(), *logged(HttpStatusCode=403)), Outcome.FAILS, "4 of 8 operations were refused"),
        (logged()[:1], Outcome.UNASSESSED, "no operation on a key of kv-engram-prod"),
        *((entries, Outcome.UNASSESSED, "no operation on a key") for entries in NO_EVIDENCE),
    ],
)
def test_who_was_refused_by_the_vault_is_found(
    entries: tuple[Facts, ...] | None, outcome: Outcome, words: str
) -> None:
    got, said = found("key-access", replace(clean(), key_access=entries))
    assert (got, words in said) == (outcome, True), said


def test_rotation_is_judged_on_the_day_of_the_collection() -> None:
    day = datetime(2027, 1, 29, tzinfo=UTC)
    assert found("key-rotated", clean(), day)[0] is Outcome.HOLDS
    assert found("key-rotated", clean(), day.replace(day=31, hour=1))[0] is Outcome.FAILS
