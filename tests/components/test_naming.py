"""components/naming.py"""

import re

import pytest

from components.naming import Kind, assignment_name, azure_name

NAMES = [
    (Kind.RESOURCE_GROUP, ("engram-dev",), "rg-engram-dev"),
    (Kind.SUBNET, ("engram-dev", "endpoints"), "snet-engram-dev-endpoints"),
    (Kind.KEY_VAULT, ("engram-dev", "a1b2c"), "kv-engram-dev-a1b2c"),
    (Kind.KEY_VAULT, ("engram-prod-geo", "a1b2c"), "kv-engram-prod-geo-a1b2c"),
    (Kind.POSTGRES, ("engram-prod", "a1b2c"), "psql-engram-prod-a1b2c"),
    (Kind.CLUSTER, ("engram-dev",), "aks-engram-dev"),
    (Kind.DISK_ENCRYPTION_SET, ("engram-dev",), "des-engram-dev"),
    (Kind.FEDERATED_CREDENTIAL, ("graph-store",), "fic-graph-store"),
    (Kind.IDENTITY, ("engram-prod-postgres-geo",), "id-engram-prod-postgres-geo"),
]
LONG = "a-name-that-somebody-thought-was-short-enough-until-azure-disagreed-" + "x" * 300


@pytest.mark.parametrize(("kind", "parts", "name"), NAMES)
def test_a_name_reads_kind_then_component_then_part(
    kind: Kind, parts: tuple[str, ...], name: str
) -> None:
    assert azure_name(kind, *parts) == name


@pytest.mark.parametrize("kind", Kind)
def test_a_name_is_never_longer_than_azure_allows_and_keeps_its_tail(kind: Kind) -> None:
    name = azure_name(kind, LONG, "a1b2c")
    assert len(name) <= kind.longest
    assert name.endswith("-a1b2c")
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)


def test_names_that_differ_only_in_the_middle_stay_apart() -> None:
    names = {azure_name(Kind.KEY_VAULT, f"engram-{env}-customer-europe", "a") for env in "abc"}
    assert len(names) == 3


@pytest.mark.parametrize("part", ["Engram", "my_vault", "", "-a", "a--b", "a.b"])
def test_a_part_that_azure_would_refuse_is_refused_here(part: str) -> None:
    with pytest.raises(ValueError, match="use lower-case letters, digits and hyphens"):
        azure_name(Kind.KEY_VAULT, part)


def test_the_same_grant_has_the_same_name_and_another_grant_another() -> None:
    grants = [("/vaults/a", "p"), ("/vaults/A", "P"), ("/vaults/b", "p"), ("/vaults/a", "q")]
    first, same, *others = [assignment_name(scope, who, "/role") for scope, who in grants]
    assert first == same
    assert len({first, *others}) == 3
