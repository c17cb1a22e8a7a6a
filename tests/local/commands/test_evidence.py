"""local/commands/evidence.py"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.commands import evidence
from local.paths import Paths

URI = "https://kv-engram-dev.vault.azure.net/keys/key-engram-dev"
VERSIONS = [
    {"version": "1", "enabled": False, "created": 0, "expires": 86_400, "pem": "-----BEGIN"},
    {"version": "2", "enabled": True, "created": 86_400, "pem": "-----BEGIN"},
]


@contextmanager
def cloud(_folder: Path) -> Iterator[Any]:
    key = SimpleNamespace(arm_id="/key", outputs={"keyUri": URI})
    yield SimpleNamespace(of_type=lambda _: [key], private=lambda _: {"versions": VERSIONS})


def test_versions_are_listed_as_azure_lists_them_and_without_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(evidence, "opened", cloud)
    found = evidence.key_versions(Paths(project=tmp_path, local=tmp_path))
    first, second = "1970-01-01T00:00:00+00:00", "1970-01-02T00:00:00+00:00"
    assert found == [
        {"kid": f"{URI}/1", "attributes": {"enabled": False, "created": first, "expires": second}},
        {"kid": f"{URI}/2", "attributes": {"enabled": True, "created": second}},
    ]
