"""assurance/review/changes.py"""

from typing import Any

import pytest

from assurance.policies.model import Secret
from assurance.review.changes import differences, shown

SEALED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
ID = "3dff88f7-d3dc-449c-802a-777e1418ab4f"


def told(before: Any, after: Any, type_: str = "any:type:Type") -> list[tuple[str, str, str]]:
    found = differences(type_, {"inputs": before}, {"inputs": after})
    return [(each.path, each.before, each.after) for each in found]


TEXT = ("a", "a text", "the same text, lines: 1 added, 1 removed")
TABLE = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, [("a.b", "1", "3")]),
    ({"a": 1}, {}, [("a", "1", "nothing")]),
    ({}, {"a": True}, [("a", "nothing", "true")]),
    ({"a": 1}, {"a": UNKNOWN}, [("a", "1", "known at up")]),
    ({"a": [1, 2]}, {"a": [1, 3]}, [("a[1]", "2", "3")]),
    (
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"env": [{"name": "B", "value": "3"}, {"name": "A", "value": "1"}]},
        [("env[B].value", "2", "3")],
    ),
    (
        {"a": "x\ny\n"},
        {"a": "x\nz\n"},
        [("a", "a text", "the same text, lines: 1 added, 1 removed")],
    ),
    ({"password": "one"}, {"password": "two"}, [("password", "[secret]", "[another secret]")]),
    *(
        ({name: "one"}, {name: "two"}, [(name, "[secret]", "[another secret]")])
        for name in (
            "clientSecret",
            "apiKey",
            "api_key",
            "API-KEY",
            "dsn",
            "SENTRY_DSN",
            "sas",
            "sasToken",
            "accessToken",
            "credentials",
            "adminPassword",
            "PGPASSWD",
            "sharedAccessKey",
            "connectionString",
            "stringData",
        )
    ),
    *(
        ({name: "one"}, {name: "two"}, [(name, "one", "two")])
        for name in (
            "secretName",
            "tokenExpirationSeconds",
            "passwordAuth",
            "keyUrl",
            "primaryKeyURI",
            "secretKeyRef",
            "secretProviderClass",
            "disaster",
            "sasl",
            "keySize",
        )
    ),
    (
        {"a": {"secret": {"secretName": "one"}}},
        {"a": {"secret": {"secretName": "two"}}},
        [("a.secret.secretName", "one", "two")],
    ),
    (
        {"a": {"secret": {"value": "one"}}},
        {"a": {"secret": {"value": "two"}}},
        [("a.secret.value", "[secret]", "[another secret]")],
    ),
    ({"mountToken": True}, {"mountToken": False}, [("mountToken", "true", "false")]),
    (
        {"env": [{"name": "OPENAI_API_KEY", "value": "one"}]},
        {"env": [{"name": "OPENAI_API_KEY", "value": "two"}]},
        [("env[OPENAI_API_KEY].value", "[secret]", "[another secret]")],
    ),
    (
        {"env": []},
        {"env": [{"name": "OPENAI_API_KEY", "value": "one"}]},
        [("env[OPENAI_API_KEY]", "[secret]", "[another secret]")],
    ),
    (
        {},
        {"env": [{"name": "OPENAI_API_KEY", "value": "one"}]},
        [("env", "nothing", "[{name: OPENAI_API_KEY, value: [secret]}]")],
    ),
    (
        {"url": "postgresql://me:one@host/a"},
        {"url": "postgresql://me:t/w@o@host/a"},
        [("url", "postgresql://me:[secret]@host/a", "postgresql://me:[secret]@host/a")],
    ),
    ({"url": "https://host:80/a"}, {}, [("url", "https://host:80/a", "nothing")]),
    (
        {"url": "https://host/a?sv=1&sig=one%2B&se=2"},
        {"url": "host=a password=two user=me"},
        [("url", "https://host/a?sv=1&sig=[secret]&se=2", "host=a password=[secret] user=me")],
    ),
    ({"a": "one"}, {"a": SEALED}, [("a", "[secret]", "[another secret]")]),
    ({"__provider": "1"}, {"__provider": "2"}, []),
    ({"a": ID}, {"a": "x"}, [("a", "(generated id)", "x")]),
]


@pytest.mark.parametrize(("before", "after", "expected"), TABLE)
def test_says_what_differs(before: Any, after: Any, expected: list[tuple[str, str, str]]) -> None:
    assert told(before, after) == expected


def test_ddl_is_not_shown_as_properties() -> None:
    schema = "pulumi-python:dynamic/memory:VectorSchema"
    assert told({"plan": {"a": ["X"]}, "state": 1}, {"plan": {}, "state": 2}, schema) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (1, "1"),
        (False, "false"),
        (Secret("tell nobody"), "[secret]"),
        ({"password": "tell nobody", "user": "me"}, "{password: [secret], user: me}"),
        (["a", None], "[a, nothing]"),
        ("x" * 200, "x" * 79 + "…"),
        (
            "/providers/Microsoft.Authorization/roleDefinitions/" + ID,
            "/providers/Microsoft.Authorization/roleDefinitions/3dff88f7-d3dc-449c-802a-777e…",
        ),
    ],
)
def test_a_value_fits_into_a_table_and_tells_no_secret(value: Any, words: str) -> None:
    assert shown(value) == words
