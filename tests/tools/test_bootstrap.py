"""The pipeline's own needs on Azure: narrow, repeatable, and the same whether shown or run."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.bootstrap import STACKS, main, targets

ARGUMENTS = [
    *("--repository", "owner/engram", "--subscription", "s-0", "--location", "westeurope"),
    *("--state-account", "engramstate", "--vault", "kv-engram", "--allow-ip", "192.0.2.7"),
]
AZ = """#!/bin/sh
for word; do printf '%s\\t' "$word"; done >> {folder}/asked
echo >> {folder}/asked
case "$*" in {refused}) echo "az says no" >&2; exit 3;; esac
case "$*" in *--query*) while [ "$1" != --name ]; do shift; done; echo "id-of-$2";; esac
"""
NOTHING_IS_THERE = ("keyvault show", "storage account show")
SUBNET = (
    "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/r"
)
OPERATOR = "00000000-0000-4000-8000-000000000001"

Asked = list[list[str]]
Azure = Callable[..., Callable[[], Asked]]


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Azure:
    """An Azure CLI that agrees but for some commands; returns what it was asked."""

    def install(*refused: str) -> Callable[[], Asked]:
        patterns = "|".join(f'"{words}"*' for words in refused or ("nothing",))
        (tmp_path / "az").write_text(AZ.format(folder=tmp_path, refused=patterns))
        (tmp_path / "az").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        asked = tmp_path / "asked"
        return lambda: [line.split("\t")[:-1] for line in asked.read_text().splitlines()]

    return install


def _plan(capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["plan", *ARGUMENTS]) == 0
    return capsys.readouterr().out.splitlines()


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_what_is_shown_is_what_is_run(azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    asked = azure(*NOTHING_IS_THERE)
    shown = [line.rpartition(" || ")[2] for line in _plan(capsys) if line.startswith("az ")]
    assert main(["apply", *ARGUMENTS]) == 0
    changed = [words for words in asked() if "show" not in words]
    assert [
        shlex.split(line)[1:][: len(words) - 1] for line, words in zip(shown, changed, strict=True)
    ] == [words[:-1] for words in changed]


def test_planning_asks_azure_nothing(azure: Azure, capsys: pytest.CaptureFixture[str]) -> None:
    asked = azure()
    _plan(capsys)
    with pytest.raises(FileNotFoundError, match="asked"):
        asked()


def test_a_principal_is_the_one_that_azure_gave_the_identity(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS])
    granted = [words for words in asked() if words[:3] == ["role", "assignment", "create"]]
    principals = {_option(words, "--assignee-object-id") for words in granted}
    environments = {name for stack in STACKS for name in (stack, f"{stack}-plan")}
    assert principals == {f"id-of-id-engram-{name}" for name in environments}


def test_each_identity_trusts_one_environment_of_one_repository(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS])
    trusted = {
        _option(words, "--identity-name"): _option(words, "--subject")
        for words in asked()
        if "federated-credential" in words
    }
    assert trusted == {
        f"id-engram-{name}": f"repo:owner/engram:environment:{name}"
        for stack in STACKS
        for name in (stack, f"{stack}-plan")
    }


def _scopes(asked: Asked) -> dict[str, set[str]]:
    """Return by principal the scopes of its roles."""
    found: dict[str, set[str]] = {}
    for words in asked:
        if words[:3] == ["role", "assignment", "create"]:
            principal = _option(words, "--assignee-object-id")
            found.setdefault(principal, set()).add(_option(words, "--scope"))
    return found


def test_no_stack_reaches_anything_of_another(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS])
    scopes = _scopes(asked())
    of_stacks = [
        scopes[f"id-of-id-engram-{stack}"] | scopes[f"id-of-id-engram-{stack}-plan"]
        for stack in STACKS
    ]
    assert [len(of_stack) for of_stack in of_stacks] == [3] * len(STACKS)  # and both share them
    assert len(set.union(*of_stacks)) == 3 * len(STACKS)


def test_every_container_and_key_that_a_role_is_for_is_made(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS])
    calls = asked()
    made = {_option(words, "--name") for words in calls if words[:2] == ["storage", "container-rm"]}
    made |= {
        _option(words, "--url").partition("?")[0].rpartition("/")[2]
        for words in calls
        if words[0] == "rest"
    }
    scopes = {scope for group in _scopes(calls).values() for scope in group}
    assert made == {scope.rpartition("/")[2] for scope in scopes if "/providers/" in scope}


def test_who_makes_the_stacks_opens_all_states_and_nothing_else(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS, "--operator", OPERATOR])
    granted = [words for words in asked() if OPERATOR in words]
    assert sorted({_option(words, "--role") for words in granted}) == [
        "Key Vault Crypto User",
        "Storage Blob Data Contributor",
    ]
    ends = {_option(words, "--scope").rpartition("/")[2] for words in granted}
    assert ends == {f"{kind}-{stack}" for kind in ("state", "pulumi") for stack in STACKS}
    # A group would be refused as a person, and the other way round.
    assert not [words for words in granted if "--assignee-principal-type" in words]


def test_a_subnet_is_let_in_to_state_and_keys(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS, "--allow-subnet", SUBNET])
    rules = [words for words in asked() if "network-rule" in words]
    assert [(words[0], words[-2:]) for words in rules] == [
        ("storage", ["--ip-address", "192.0.2.7"]),
        ("storage", ["--subnet", SUBNET]),
        ("keyvault", ["--ip-address", "192.0.2.7"]),
        ("keyvault", ["--subnet", SUBNET]),
    ]


def test_a_state_that_nobody_could_reach_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["plan", *ARGUMENTS[:-2]])
    assert "give --allow-ip, --allow-subnet or both" in capsys.readouterr().err


def test_a_subscription_that_environments_share_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["plan", *ARGUMENTS])
    assert capsys.readouterr().err == ""
    main(["plan", *ARGUMENTS, "--subscription", targets()["dev"]])
    assert "warning: state and keys, dev share the subscription" in capsys.readouterr().err


def test_who_plans_writes_nothing(azure: Azure) -> None:
    asked = azure()
    main(["apply", *ARGUMENTS])
    roles = {
        (_option(words, "--role"), _option(words, "--scope"))
        for words in asked()
        if words[:2] == ["role", "assignment"]
        and _option(words, "--assignee-object-id") == "id-of-id-engram-uat-plan"
    }
    subscription = f"/subscriptions/{targets()['uat']}"
    assert {(role, scope) for role, scope in roles if scope == subscription} == {
        ("Reader", subscription),
        ("Azure Kubernetes Service Cluster User Role", subscription),
    }
    assert {role for role, scope in roles if scope != subscription} == {
        "Storage Blob Data Reader",
        "Key Vault Crypto User",
    }


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (
            "storage account create",
            {
                "--allow-blob-public-access": "false",
                "--allow-shared-key-access": "false",
                "--default-action": "Deny",
                "--min-tls-version": "TLS1_2",
            },
        ),
        ("storage account blob-service-properties", {"--enable-versioning": "true"}),
        ("storage container-rm create", {"--public-access": "off"}),
        (
            "keyvault create",
            {
                "--enable-rbac-authorization": "true",
                "--enable-purge-protection": "true",
                "--default-action": "Deny",
            },
        ),
        ("lock create", {"--lock-type": "CanNotDelete"}),
    ],
)
def test_state_and_key_are_closed(azure: Azure, command: str, flags: dict[str, str]) -> None:
    asked = azure(*NOTHING_IS_THERE)
    main(["apply", *ARGUMENTS])
    found = [words for words in asked() if " ".join(words).startswith(command)]
    assert found
    assert [{name: _option(words, name) for name in flags} for words in found] == [flags] * len(
        found
    )


def test_account_and_vault_that_are_there_are_left_alone(
    azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    """To make them again may drop the network rules that somebody added since."""
    asked = azure()
    main(["apply", *ARGUMENTS])
    made = [" ".join(words) for words in asked() if "create" in words]
    assert not [words for words in made if words.startswith(("keyvault", "storage account"))]
    said = capsys.readouterr().out
    assert "# a vault for the keys, which nobody can purge (is there)\n" in said
    assert "no anonymous access, closed to all networks (is there)\n" in said


def test_a_refusal_ends_it_with_azures_words(
    azure: Azure, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = azure("storage account")
    assert main(["apply", *ARGUMENTS]) == 1
    assert "az says no\nCorrect the cause and run the command again" in capsys.readouterr().err
    assert asked()[-1][:3] == ["storage", "account", "create"]


def test_without_the_azure_cli_the_way_to_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["apply", *ARGUMENTS]) == 1
    assert "az: not on PATH; install the Azure CLI" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--repository", "engram", r"found 'engram'; allowed: "),
        ("--state-account", "Engram-State", r"found 'Engram-State'; allowed: "),
        ("--vault", "k", "found 'k'; allowed: "),
        ("--allow-ip", "192.0.2.7/32", "one or two addresses: give 192.0.2.7\n"),
        ("--allow-ip", "192.0.2.6/31", "give 192.0.2.6 and 192.0.2.7\n"),
        ("--allow-ip", "192.0.2.7/24", "192.0.2.7/24 has host bits set; allowed: an IPv4"),
        ("--allow-ip", "2001:db8::1", "allowed: an IPv4 address"),
        ("--allow-ip", "10.1.0.4", "storage refuses private addresses: use --allow-subnet"),
        ("--allow-ip", "0.0.0.0/0", "storage refuses private addresses"),
        ("--allow-subnet", "runners", "found 'runners'; allowed: /subscriptions/"),
        ("--operator", "me@example.com", "found 'me@example.com'; allowed: "),
    ],
)
def test_a_name_that_azure_refuses_is_refused_here(
    option: str, value: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["plan", *ARGUMENTS, option, value])
    assert words in capsys.readouterr().err


def test_each_stack_is_made_with_its_own_state_and_key(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in _plan(capsys) if "pulumi stack init" in line]
    variables = "PULUMI_BACKEND_URL=azblob://state-{0} AZURE_STORAGE_ACCOUNT=engramstate"
    command = "pulumi stack init {0} --secrets-provider azurekeyvault://kv-engram.vault.azure.net"
    expected = [f"{variables} {command}/keys/pulumi-{{0}}/".format(stack) for stack in STACKS]
    assert [line.partition('"')[0] for line in lines] == expected


def test_each_environment_is_told_the_container_of_its_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [shlex.split(line) for line in _plan(capsys) if "STATE_CONTAINER" in line]
    assert {_option(line, "--env"): _option(line, "--body") for line in lines} == {
        name: f"state-{stack}" for stack in STACKS for name in (stack, f"{stack}-plan")
    }


def test_what_is_left_names_every_variable_of_every_environment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [shlex.split(line) for line in _plan(capsys) if line.startswith("gh ")]
    assert {(_option(line, "--env"), line[3]) for line in lines} == {
        (name, variable)
        for stack in STACKS
        for name in (stack, f"{stack}-plan")
        for variable in (
            *("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"),
            *("STATE_ACCOUNT", "STATE_CONTAINER"),
        )
    }
