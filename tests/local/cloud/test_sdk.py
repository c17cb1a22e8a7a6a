"""local/cloud/sdk.py: what the SDK's classes say, read afresh."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud import sdk


@pytest.fixture(autouse=True)
def _nothing_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sdk.schema.cache_clear()
    yield
    sdk.schema.cache_clear()


def enum_of(token: str, key: str) -> list[str]:
    schema = sdk.schema(token)
    return schema["objects"][schema["inputs"]]["properties"][key]["enum"]


def test_a_name_that_two_services_share_means_each_ones_own() -> None:
    grant = enum_of("azure-native:authorization:RoleAssignment", "principalType")
    admin = enum_of("azure-native:dbforpostgresql:AdministratorsMicrosoftEntra", "principalType")
    assert "ForeignGroup" in grant
    assert admin == ["user", "servicePrincipal", "group"]
