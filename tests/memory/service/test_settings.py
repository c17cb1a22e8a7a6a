"""The environment is read once; all of its mistakes are said at once."""

import os
import subprocess
import sys

import pytest

from memory.service.errors import SettingsRefused
from memory.service.settings import Isolation, Settings

LEAST = {"ENGRAM_API_KEYS_FILE": "/keys", "ENGRAM_DIMENSIONS": "8"}


def test_a_little_is_enough_and_an_empty_variable_is_none() -> None:
    read = Settings.from_environment({**LEAST, "ENGRAM_TENANTS": "", "PGHOST": "h", "ENGRAM_X": ""})
    assert (read.tenants, read.isolation, read.encrypted_fields) == (
        (),
        Isolation.SHARED,
        ("pii", "phi", "secret"),
    )


def test_lists_are_split_at_commas() -> None:
    read = Settings.from_environment(
        {**LEAST, "ENGRAM_TENANTS": "acme, other", "ENGRAM_ISOLATION": "row",
         "ENGRAM_ENCRYPTED_FIELDS": "pii,person.name,content", "ENGRAM_BLIND_INDEXES": "pii"}
    )  # fmt: skip
    assert read.tenants == ("acme", "other")
    assert read.encrypted_fields == ("pii", "person.name", "content")


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a number": ({"ENGRAM_POOL_SIZE": "many"}, "ENGRAM_POOL_SIZE: .*integer"),
    "a table without schema": ({"ENGRAM_TABLE": "t"}, "ENGRAM_TABLE"),
    "both indexes": ({"ENGRAM_HNSW_EF_SEARCH": "40", "ENGRAM_IVFFLAT_PROBES": "4"}, "one index"),
    "half a model": ({"ENGRAM_MODEL_ENDPOINT": "https://m/v1"}, "set both"),
    "tenants, and shared": ({"ENGRAM_TENANTS": "acme"}, "is shared"),
    "the tenant who is there": ({"ENGRAM_TENANTS": "default", "ENGRAM_ISOLATION": "row"},
                                "not default"),
    "a tenant that is no name": ({"ENGRAM_TENANTS": 'a"b', "ENGRAM_ISOLATION": "row"},
                                 "ENGRAM_TENANTS"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_its_variable(name: str) -> None:
    changed, words = REFUSED[name]
    with pytest.raises(SettingsRefused, match=words):
        Settings.from_environment({**LEAST, **changed})


def test_every_mistake_is_said_at_once() -> None:
    with pytest.raises(SettingsRefused) as refused:
        Settings.from_environment({"ENGRAM_PORT": "x", "ENGRAM_POOL_SIZE": "0"})
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "ENGRAM_PORT",
        "ENGRAM_API_KEYS_FILE",
        "ENGRAM_DIMENSIONS",
        "ENGRAM_POOL_SIZE",
    ]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "ENGRAM_API_KEYS_FILE: Field required"),
        (LEAST, "PGHOST, PGDATABASE, PGUSER not set"),
        ({**LEAST, "PGHOST": "h", "PGDATABASE": "d", "PGUSER": "u"}, "/keys"),
    ],
)
def test_the_program_says_what_it_lacks_and_ends(environment: dict[str, str], words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "memory.service"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
