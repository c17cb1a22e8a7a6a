"""stacks/settings/loader.py: what the program does with the selected stack's configuration."""

import json
from collections.abc import Iterator

import pulumi
import pytest
from pulumi.runtime import config as runtime_config
from pulumi.runtime import set_all_config

from stacks.platform import Platform
from stacks.settings import load
from tests.deployment import deploy
from tests.stacks.files import changed, config_of
from tests.stacks.test_bad_stack_files import EXISTING_CLUSTER, EXISTING_POSTGRES

PASSWORD = "canary-of-an-existing-server"


@pytest.fixture(autouse=True)
def _no_configuration_left() -> Iterator[None]:
    yield
    set_all_config({})


def select(config: dict[str, object], secrets: dict[str, str] | None = None) -> None:
    """Put a configuration where the engine would put it."""
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in config.items()}
    set_all_config({**texts, **(secrets or {})}, list(secrets or {}))


def load_dev() -> None:
    Platform(load())


def test_the_program_runs_from_the_engines_configuration() -> None:
    select(config_of("dev"))
    seen: list[str] = []
    deployment = deploy(lambda: seen.append(Platform(load()).settings.environment), stack="dev")
    assert seen == ["dev"]
    assert deployment.one("azure-native:dbforpostgresql:Server")["sku"]["name"] == "Standard_B1ms"


def test_a_wrong_file_ends_the_program_before_any_resource_and_without_a_traceback() -> None:
    select(changed("dev", {"memory.dimensions": 0, "postgres.sku": "Standard_B9"}))
    deployments = []

    def program() -> None:
        with pytest.raises(pulumi.RunError, match=r"2 mistakes:\n  memory.dimensions: found 0;"):
            load_dev()

    deployments.append(deploy(program, stack="dev"))
    assert deployments[0].seen == {}


def test_the_password_of_an_existing_server_stays_secret() -> None:
    select(
        changed("dev", {"postgres": EXISTING_POSTGRES}),
        {"engram:postgresAdminPassword": PASSWORD},
    )
    deployment = deploy(load_dev, stack="dev")
    schemas = deployment.all("pulumi-python:dynamic/memory:VectorSchema")
    assert len(schemas) == 2
    assert all(PASSWORD in json.dumps(schema) for schema in schemas.values())
    assert not [name for name, text in deployment.clear_texts() if PASSWORD in text]


def test_the_kubeconfig_of_an_existing_cluster_is_a_secret_of_the_configuration() -> None:
    select(changed("dev", {"cluster": EXISTING_CLUSTER}), {"engram:kubeconfig": PASSWORD})
    seen: list[tuple[str, bool]] = []

    def program() -> None:
        known = load().existing_kubeconfig
        assert known is not None
        pulumi.Output.all(pulumi.Output.unsecret(known), known.is_secret()).apply(
            lambda both: seen.append((both[0], both[1]))
        )

    deploy(program, stack="dev")
    assert seen == [(PASSWORD, True)]


def test_an_unencrypted_password_is_refused() -> None:
    select(
        {
            **changed("dev", {"postgres": EXISTING_POSTGRES}),
            "engram:postgresAdminPassword": PASSWORD,
        }
    )

    def program() -> None:
        with pytest.raises(pulumi.RunError, match="an encrypted value") as caught:
            load_dev()
        assert PASSWORD not in str(caught.value)

    assert deploy(program, stack="dev").seen == {}


@pytest.mark.parametrize(("renewed_on", "warnings"), [("2020-01-01", 1), ("2999-01-01", 0)])
def test_expired_passwords_are_told_and_stop_nothing(
    renewed_on: str, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    select(changed("dev", {"passwords.renewed_on": renewed_on}))
    assert deploy(load_dev, stack="dev").seen
    expired = [text for text in said if "expired on 2020-06-29; set passwords.renewed_on" in text]
    assert len(expired) == warnings


def test_the_engine_says_which_keys_are_secret() -> None:
    select(config_of("dev"), {"engram:postgresAdminPassword": PASSWORD})
    assert runtime_config.is_config_secret("engram:postgresAdminPassword")
