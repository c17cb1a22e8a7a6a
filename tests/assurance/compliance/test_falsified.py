"""A deployment that is not what it should be turns exactly its controls red."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from assurance.compliance import cli
from assurance.compliance.assess import Assessment
from assurance.compliance.checks.cluster import POLICY
from assurance.compliance.checks.database import SERVER
from assurance.compliance.checks.records import KEY
from assurance.compliance.model import Outcome, Truth
from assurance.compliance.truths import Change, Truths
from tests.assurance.compliance import truths
from tests.assurance.compliance.truths import AT, assessed, clean

PARAMETER = "azure-native:dbforpostgresql:Configuration"
Falsify = Callable[[Truths], Truths]


def deployed(typ: str, change: Callable[[dict[str, Any]], object], name: str = "") -> Falsify:
    return lambda given: replace(
        given, deployed=truths.with_inputs(given.deployed, typ, change, name)
    )


def gone(typ: str, name: str) -> Falsify:
    return lambda given: replace(given, deployed=truths.without(given.deployed, typ, name))


def database(**changed: Any) -> Falsify:
    return lambda given: replace(given, database={**given.database, **changed})  # type: ignore[dict-item]


def setting(name: str, value: str) -> Falsify:
    def change(given: Truths) -> Truths:
        assert given.database is not None
        return database(settings={**given.database["settings"], name: value})(given)

    return change


def more_in_database(key: str, entry: dict[str, Any]) -> Falsify:
    def change(given: Truths) -> Truths:
        assert given.database is not None
        return database(**{key: [*given.database[key], entry]})(given)

    return change


def grant(login: str, *privileges: str) -> Falsify:
    return rights_on("zep_memory_vectors", login, *privileges)


def rights_on(relation: str, login: str, *privileges: str) -> Falsify:
    def change(given: Truths) -> Truths:
        assert given.database is not None
        right = {"relation": relation, "login": login, "privileges": [*privileges]}
        return database(
            schemas=[
                {**schema, "rights": [*schema["rights"], right]}
                for schema in given.database["schemas"]
            ]
        )(given)

    return change


def books(**changed: Any) -> Falsify:
    """Let the books of every schema that has some say something else."""

    def change(given: Truths) -> Truths:
        assert given.database is not None
        schemas = [
            {**schema, "books": {**schema["books"], **changed}} if schema["books"] else schema
            for schema in given.database["schemas"]
        ]
        return database(schemas=schemas)(given)

    return change


def cluster(**changed: Any) -> Falsify:
    return lambda given: replace(given, cluster={**given.cluster, **changed})  # type: ignore[dict-item]


def no_policy(name: str) -> Falsify:
    def change(given: Truths) -> Truths:
        assert given.cluster is not None
        left = [policy for policy in given.cluster["policies"] if policy["name"] != name]
        return cluster(policies=left)(given)

    return change


def both(*steps: Falsify) -> Falsify:
    def change(given: Truths) -> Truths:
        for step in steps:
            given = step(given)
        return given

    return change


FALSIFIED: dict[str, tuple[Falsify, set[str], set[str]]] = {
    "key switched to Microsoft's": (
        deployed(SERVER, lambda inputs: inputs.update(dataEncryption={"type": "SystemManaged"})),
        {
            "key-in-use",
            "postgres-customer-managed-key",
            "postgres-geo-key",
            "postgres-key-identity",
        },
        {"AI-SEC-01.1", "AI-SEC-01.3", "ENC-MEASURE.1", "METRIC-1", "TEST-1"},
    ),
    "TLS switched off": (
        deployed(PARAMETER, lambda inputs: inputs.update(value="off"), "require_secure_transport"),
        {"postgres-tls-required"},
        {"AI-SEC-01.2a", "ENC-MEASURE.1"},
    ),
    "old TLS let in": (
        setting("ssl_min_protocol_version", "TLSv1.2"),
        {"sql-tls-version"},
        {"AI-SEC-01.2a"},
    ),
    "a session without TLS": (
        more_in_database(
            "sessions",
            {"login": "x", "application": "y", "tls": False, "version": None, "number": 1},
        ),
        {"sql-tls-sessions"},
        {"AI-SEC-01.2a", "ENC-MEASURE.1"},
    ),
    "a grant added": (grant("memory_reader", "DELETE"), {"sql-access"}, {"TEST-3", "DOC-3"}),
    "a login added": (
        more_in_database("logins", {"name": "visitor", "superuser": False}),
        {"sql-logins"},
        {"TEST-3", "DOC-3"},
    ),
    "a NetworkPolicy removed": (
        both(gone(POLICY, "graph-store-traffic"), no_policy("graph-store")),
        {
            "cluster-network-policies",
            "namespace-own",
            "network-policy-peers",
            "network-policy-per-pod",
            "network-policy-ports",
        },
        {"TEST-3"},
    ),
    "old TLS at the gateway": (
        cluster(listeners=[{"name": "g/e", "to": ["zep"], "oldest": ["TLSv1_2"], "logged": True}]),
        {"cluster-edge-tls"},
        {"AI-SEC-01.2b"},
    ),
    "a sensitive field in the clear": (
        books(memories={"rows": 80, "sensitive": 30, "clear": 1, "by_key": {"fields-1": 29}}),
        {"sql-field-encryption"},
        {"AI-SEC-01.5", "METRIC-1"},
    ),
    "an entry of the book changed": (
        books(chain={"entries": 9, "broken": 4, "head": "0" * 64}),
        {"sql-operations-sealed"},
        {"ENC-MEASURE.2", "FRM.MANAGE"},
    ),
    "a rotation of field keys that failed": (
        books(
            operations=[
                *truths.books()["operations"],
                truths.run("rotate-field-keys", "2026-11-22", order="rotate", state="failed"),
            ]
        ),
        {"sql-field-key-rotations"},
        {"AI-SEC-01.4", "ENC-MEASURE.2", "METRIC-2", "TEST-2"},
    ),
    "an erasure half done": (
        books(
            operations=[
                *truths.books()["operations"],
                truths.run("forget", "2026-11-22", state=None, ended=None),
            ]
        ),
        {"sql-erasures"},
        {"FRM.MANAGE"},
    ),
    "memories without a trace of who made them": (
        books(audit={"entries": 0, "last": None}),
        {"sql-memory-audit"},
        {"TEST-4"},
    ),
    "a grant to change the book": (
        rights_on("memory_operations", "memory_app", "UPDATE"),
        {"sql-access"},
        {"TEST-3", "DOC-3"},
    ),
    "no rotation": (
        deployed(KEY, lambda inputs: inputs.get("properties", {}).pop("rotationPolicy", None)),
        {"key-rotated", "key-rotates", "key-rotations", "key-tells-before-it-ends"},
        {"AI-SEC-01.4", "ENC-MANAGE.1", "ENC-MEASURE.2", "FRM.MANAGE", "METRIC-2"},
    ),
}


def looks(assessment: Assessment) -> set[tuple[Truth, str]]:
    return {(seen.truth, seen.check) for seen in assessment.failing}


@cache
def before() -> Assessment:
    return assessed(clean())


def test_nothing_is_red_before_but_what_is_known_to_be() -> None:
    assert looks(before()) == set()
    assert before().red() == {"AI-SEC-01.2c"}


@pytest.mark.parametrize("what", FALSIFIED)
def test_exactly_its_controls_turn_red(what: str) -> None:
    falsify, checks, objectives = FALSIFIED[what]
    after = assessed(falsify(clean()))
    assert {check for _, check in looks(after)} == checks
    resting = {
        result.objective.id
        for control in after.controls
        for result in control.results
        if {seen.check for seen in result.observations} & checks
    }
    red = after.red() - before().red()
    assert red == resting
    assert {name for name in red if " " not in name} == objectives


def all_gone(*types: str) -> Falsify:
    return lambda given: replace(
        given,
        deployed=replace(
            given.deployed,
            resources=tuple(r for r in given.deployed.resources if r.type not in types),
        ),
    )


@pytest.mark.parametrize(
    ("types", "checks", "objectives"),
    [
        (
            (SERVER,),
            {"key-in-use", "postgres-customer-managed-key", "postgres-tls-required"},
            {"AI-SEC-01.1", "AI-SEC-01.2a", "AI-SEC-01.3", "METRIC-1", "TEST-1", "TEST-4"},
        ),
        (
            ("azure-native:keyvault:Vault", KEY),
            {"vault-private", "vault-private-endpoint", "key-strong", "key-rotated"},
            {"AI-SEC-01.3", "AI-SEC-01.4", "DOC-2", "ENC-MANAGE.1", "METRIC-2"},
        ),
    ],
)
def test_what_is_gone_complies_with_nothing(
    types: tuple[str, ...], checks: set[str], objectives: set[str]
) -> None:
    after = assessed(all_gone(*types)(clean()))
    gone = {seen.check for seen in after.failing if "declared, and not there" in seen.found}
    assert checks <= gone
    assert objectives <= after.red()
    assert not objectives & before().red()


@pytest.mark.parametrize(
    ("actions", "code"), [((), 0), (("update", "delete"), 0), (("update", "create"), 1)]
)
def test_what_is_missing_counts_in_the_exit_code(actions: tuple[str, ...], code: int) -> None:
    changes = tuple(Change(action=action, urn="x") for action in actions)
    assert cli.exit_code(assessed(replace(clean(), changes=changes))) == code


def test_what_the_program_asks_for_stays_green() -> None:
    falsify, _, _ = FALSIFIED["key switched to Microsoft's"]
    assert {truth for truth, _ in looks(assessed(falsify(clean())))} == {Truth.DEPLOYED}


def test_a_key_that_nobody_rotated_in_time_is_overdue() -> None:
    late = assessed(clean(), AT + timedelta(days=69))
    (seen,) = (each for each in late.observations if each.check == "key-rotated")
    assert seen.outcome is Outcome.FAILS
    assert "the newest 93 days old; it is rotated after 90" in seen.found
