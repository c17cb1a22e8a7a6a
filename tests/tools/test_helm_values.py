"""tools/helm_values.py: the deployment strategy's own values file, and wrong ones."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stacks.files import config_of
from tools.helm_keys import KEYS
from tools.helm_translation import leaves, put, translate
from tools.helm_values import main

ROOT = Path(__file__).parent.parent.parent
VALUES = Path(__file__).parent / "fixtures" / "values-production.yaml"
VAULT_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000004/resourceGroups/rg-customer"
    "/providers/Microsoft.KeyVault/vaults/kv-customer"
)
CUSTOMER = {
    "CUSTOMER_POSTGRES_HOST": "db.customer.example",
    "CUSTOMER_OPENAI_ENDPOINT": "https://customer.openai.azure.com/",
    "CUSTOMER_KEY_VAULT_URL": "https://kv-customer.vault.azure.net/",
    "CUSTOMER_ENCRYPTION_KEY_NAME": "memory",
}
OVERRIDES = {
    "postgres.ca_file": "ca/customer.pem",
    "postgres.cidrs": "[10.9.8.0/28]",
    "postgres.admin_login": "engram_admin",
    "postgres.user_connections": "400",
    "key_vault.vault_id": VAULT_ID,
    "key_vault.fields_key_name": "memory-fields",
    "key_vault.cidrs": "[10.9.8.16/28]",
}
PASSWORD = "hunter2/with@everything:in?it"


def mission() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(VALUES.read_text(encoding="utf-8"))
    return values


def run(
    values: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, Any], str]:
    """Translate with ``--json``: exit code, report, and all that was said."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    environment = () if "--environment" in options else ("--environment", "prod")
    code = main([str(file), *environment, "--json", *options])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.out + said.err


def customer_options() -> list[str]:
    """What a customer adds to the strategy's file."""
    given = [f"--set={name}={text}" for name, text in CUSTOMER.items()]
    return given + [f"--with={path}={text}" for path, text in OVERRIDES.items()]


def changed(path: str, value: object) -> dict[str, Any]:
    values = mission()
    put(values, path, value)
    return values


def test_the_strategys_own_numbers_are_those_of_production(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report, _ = run(mission(), tmp_path, capsys)
    assert (code, report["mistakes"]) == (0, [])
    assert yaml.safe_load(report["stack_file"])["config"] == config_of("prod")


def test_the_strategys_file_with_the_customers_names_is_a_stack_of_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report, _ = run(mission(), tmp_path, capsys, *customer_options())
    assert (code, report["mistakes"], report["unresolved"]) == (0, [], [])
    expected = deepcopy(config_of("prod"))
    settings = expected["engram:settings"]
    settings["postgres"] = {
        "kind": "existing", "port": 5432, "host": "db.customer.example",
        "ca_file": "ca/customer.pem", "cidrs": ["10.9.8.0/28"], "admin_login": "engram_admin",
        "user_connections": 400,
    }  # fmt: skip
    settings["key_vault"] = {
        "kind": "existing", "vault_id": VAULT_ID, "key_name": "memory",
        "fields_key_name": "memory-fields", "cidrs": ["10.9.8.16/28"],
    }  # fmt: skip
    settings["model"]["endpoint"] = "https://customer.openai.azure.com/openai/v1"
    assert yaml.safe_load(report["stack_file"])["config"] == expected
    assert any("engram:postgresAdminPassword" in text for text in report["reminders"])


@pytest.mark.parametrize("customers", [False, True])
def test_every_key_of_the_strategys_file_is_accounted_for(
    customers: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = customer_options() if customers else []
    _, report, _ = run(mission(), tmp_path, capsys, *options)
    named = [
        entry["key"]
        for part in ("moved", "without_meaning", "unresolved")
        for entry in report[part]
    ]
    assert set(named) == {path for path, _ in leaves(mission())}
    assert all(entry["why"] for entry in report["without_meaning"])


def test_a_number_that_differs_reaches_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {
        "replicaCount.api": (8, "workloads.zep.replicas", 8),
        "replicaCount.memory": (5, "connections.application.replicas", 5),
        "resources.api.cpu": ("1500m", "workloads.zep.cpu", 1.5),
        "resources.graphiti.memory": ("3Gi", "workloads.graphiti.memory_gib", 3),
        "zep.config.database.poolSize": (20, "connections.application.pool_size", 20),
        "vector.indexParams.ef_search": (80, "memory.index.ef_search", 80),
        "graphiti.entityExtraction.model": ("gpt-4o", "model.chat_model", "gpt-4o"),
    }
    values = mission()
    for key, (value, _, _) in changes.items():
        put(values, key, value)
    code, report, _ = run(values, tmp_path, capsys)
    assert (code, report["mistakes"]) == (0, [])
    reached = {(entry["key"], entry["path"]): entry["value"] for entry in report["moved"]}
    for key, (_, path, value) in changes.items():
        assert reached[key, path] == value
    assert reached["replicaCount.api", "workloads.zep.max_replicas"] == 8
    assert reached["replicaCount.memory", "workloads.memory_service.max_replicas"] == 5


WRONG = [
    ("replicaCount.api", "3", "'3'", "a whole number", "without quotes"),
    ("replicaCount.api", True, "True", "a whole number", "without quotes"),
    ("resources.api.cpu", "lots", "'lots'", "1 or 500m", "thousandths with an m"),
    ("resources.memory.memory", "4 GB", "'4 GB'", "2Gi or 512Mi", "its unit"),
    ("vector.dimensions", "1536", "'1536'", "a whole number", "without quotes"),
    ("encryption.enabled", "yes", "'yes'", "true or false", "without quotes"),
    ("encryption.enabled", False, "false", "true", "always encrypted"),
    ("graphiti.enabled", False, "false", "true", "Zep answers 500"),
    ("postgresql.enabled", True, "true", "false", "a server of its own"),
    ("graphiti.entityExtraction.endpoint", "http://model", "'http://model'", "https", "in clear"),
    ("encryption.keyVaultUrl", "kv-customer", "'kv-customer'", "vault.azure.net", "copy the URL"),
    ("encryption.fieldLevelEncryption.fields", "pii", "'pii'", "a list", "square brackets"),
    ("zep.config.database.url", "mysql://u:p@h/db", "not shown", "postgresql://", "elsewhere"),
    ("zep.config.database.url", 5432, "not shown", "postgresql://", "elsewhere"),
    ("postgresql.external.host", ["a"], "['a']", "text", "in quotes"),
]


@pytest.mark.parametrize(("path", "value", "found", "allowed", "remedy"), WRONG)
def test_a_wrong_value_is_refused_with_path_found_allowed_and_remedy(
    path: str, value: object, found: str, allowed: str, remedy: str
) -> None:
    done = translate(changed(path, value), config_of("prod")["engram:settings"], {}, {})
    (mistake,) = done.mistakes
    assert mistake.path == path
    assert found in str(mistake.found)
    assert allowed in mistake.allowed
    assert remedy in mistake.remedy


@pytest.mark.parametrize(
    ("path", "value", "given", "said"),
    [
        ("zep.config.vector.dimensions", 768, {}, "768 here and 1536 in vector.dimensions"),
        (
            "postgresql.external.host", "other.customer.example", CUSTOMER,
            "'db.customer.example' here and 'other.customer.example' in postgresql.external.host",
        ),
        ("postgresql.external.port", 6432, CUSTOMER, "5432 here and 6432 in postgresql.external"),
    ],
)  # fmt: skip
def test_two_keys_that_contradict_each_other_are_refused(
    path: str, value: object, given: dict[str, str], said: str
) -> None:
    settings = config_of("prod")["engram:settings"]
    done = translate(changed(path, value), settings, given, {})
    assert [said in str(mistake.found) for mistake in done.mistakes] == [True]


def test_a_mistake_of_the_settings_names_the_key_it_came_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = mission()
    for place in (values, values["zep"]["config"]):
        place["vector"]["dimensions"] = 20_000
    code, report, _ = run(values, tmp_path, capsys)
    assert code == 1
    assert report["stack_file"] is None
    found = {mistake["path"]: mistake["found"] for mistake in report["mistakes"]}
    assert found["memory.dimensions"] == "20000 (from vector.dimensions)"


def test_what_a_customers_server_lacks_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = f"--set=CUSTOMER_POSTGRES_HOST={CUSTOMER['CUSTOMER_POSTGRES_HOST']}"
    code, report, _ = run(mission(), tmp_path, capsys, host)
    missing = {m["path"] for m in report["mistakes"] if m["found"] == "nothing"}
    assert code == 1
    assert missing == {
        f"postgres.{key}" for key in ("ca_file", "cidrs", "admin_login", "user_connections")
    }


def test_the_vault_of_the_url_is_the_one_whose_id_was_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"--with=key_vault.vault_id={VAULT_ID}-of-somebody-else"
    _, report, _ = run(mission(), tmp_path, capsys, *customer_options(), other)
    wrong = [m for m in report["mistakes"] if m["path"] == "encryption.keyVaultUrl"]
    assert [m["found"] for m in wrong] == ["'kv-customer'"]


def test_another_kind_of_index_leaves_no_parameter_of_the_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = mission()
    del values["zep"]["config"]["vector"]
    values["vector"].update(indexType="ivfflat", indexParams={"lists": 10, "probes": 3})
    code, report, _ = run(values, tmp_path, capsys, "--environment", "dev")
    settings = yaml.safe_load(report["stack_file"] or "{}")
    assert (code, [m["path"] for m in report["mistakes"]]) == (1, ["connections"])
    assert settings == {}
    base = config_of("prod")["engram:settings"]
    index = translate(values, base, {}, {}).settings["memory"]["index"]
    assert index == {"method": "ivfflat", "lists": 10, "probes": 3}


def test_an_unknown_key_is_named_and_its_value_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = changed("replicaCount.apii", PASSWORD)
    code, report, said = run(values, tmp_path, capsys)
    (why,) = [e["why"] for e in report["without_meaning"] if e["key"] == "replicaCount.apii"]
    assert code == 0
    assert "did you mean replicaCount.api?" in why
    assert PASSWORD not in said


@pytest.mark.parametrize("output", [("--json",), ()])
def test_a_password_in_the_url_is_never_repeated(
    output: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql://zep_user:{PASSWORD}@db.customer.example:5432/zep?sslmode=require"
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(changed("zep.config.database.url", url)), encoding="utf-8")
    options = [*customer_options(), *output]
    assert main([str(file), "--environment", "prod", *options]) == 0
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "everything" not in said.out + said.err
    assert "must become a config secret" in (said.out if output else said.err)


def test_the_stack_file_goes_where_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "Pulumi.customer.yaml"
    assert main([str(VALUES), "--environment", "prod", "--output", str(output)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert yaml.safe_load(output.read_text(encoding="utf-8"))["config"] == config_of("prod")


def test_without_a_place_the_stack_file_is_all_that_standard_output_gets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(VALUES), "--environment", "prod"]) == 0
    said = capsys.readouterr()
    assert yaml.safe_load(said.out)["config"] == config_of("prod")
    assert "without a meaning here (11):" in said.err
    assert "maxRelationships: Graphiti 0.3" in said.err


UNREADABLE = [
    ("zep:\n  a: 1\nzep:\n  b: 2\n", "zep stands twice in the object of line 1"),
    ("- a list\n", "found no object"),
    ("a: [1\n", "expected"),
]


@pytest.mark.parametrize(("text", "said"), UNREADABLE)
def test_a_file_that_cannot_be_read_says_why(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text, encoding="utf-8")
    assert main([str(file), "--environment", "prod"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--set=NAME", "--with=postgres.port"])
def test_an_option_without_a_value_is_refused(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(VALUES), "--environment", "prod", option]) == 2
    assert "allowed: NAME=VALUE" in capsys.readouterr().err


def test_the_page_lists_every_key_where_it_goes_and_why() -> None:
    page = (ROOT / "docs" / "helm-values.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    expected = []
    for path, key in KEYS.items():
        fixed = f"only `{str(key.only).lower()}`" if key.only is not None else "none"
        expected.append(f"| `{path}` | {f'`{key.to}`' if key.to else fixed} | {key.why} |")
    assert rows == expected
