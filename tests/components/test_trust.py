"""components/trust.py"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pulumi_kubernetes as k8s
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from components.trust import (
    AZURE_ROOTS,
    PostgresTrust,
    PostgresTrustArgs,
    TrustError,
    trusted_roots,
)
from components.workloads import Workspace
from local.cloud.postgres.authority import Authority
from tests.deployment import deploy
from tests.manifests import manifests

PUBLISHED = {
    # https://www.digicert.com/kb/digicert-root-certificates.htm
    "DigiCert Global Root G2": "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
    # https://www.microsoft.com/pkiops/docs/repository.htm
    "Microsoft RSA Root Certificate Authority 2017": (
        "c741f70f4b2a8d88bf2e71c14122ef53ef10eba0cfa5e64cfa20f418853073e0"
    ),
}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return Authority(tmp_path / "authority").ensure().ca_file


def test_ships_azures_roots_as_their_authorities_publish_them() -> None:
    shipped = x509.load_pem_x509_certificates("".join(trusted_roots(environment={})).encode())
    assert {
        str(root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value): (
            root.fingerprint(hashes.SHA256()).hex()
        )
        for root in shipped
    } == PUBLISHED
    in_five_years = datetime.now(UTC) + timedelta(days=5 * 365)
    assert all(root.not_valid_after_utc > in_five_years for root in shipped)


def test_the_settings_come_before_the_environment(authority: Path, tmp_path: Path) -> None:
    environment = {"PGSSLROOTCERT": str(authority)}
    own = (authority.read_text("utf-8"),)
    assert trusted_roots(environment=environment) == own
    assert trusted_roots(AZURE_ROOTS, environment) == trusted_roots(environment={})
    assert trusted_roots(authority, {"PGSSLROOTCERT": str(tmp_path / "none")}) == own


@pytest.mark.parametrize("value", ["", "system"])
def test_a_variable_that_names_no_file_means_azures_roots(value: str) -> None:
    assert trusted_roots(environment={"PGSSLROOTCERT": value}) == trusted_roots(environment={})


def test_takes_certificates_and_leaves_private_keys_behind(authority: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(authority.with_name("ca.key").read_text("utf-8") + authority.read_text("utf-8"))
    assert trusted_roots(both) == (authority.read_text("utf-8"),)


DAMAGED = {
    "": "holds no certificate",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n": "certificate 1 is damaged",
    "\xff": "not readable",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_refuses_a_file_that_proves_nothing(content: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(TrustError, match=f"ca.pem: .*{DAMAGED[content]}.*; name a readable PEM"):
        trusted_roots(file)


def test_says_so_where_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"gone\.pem: not readable"):
        trusted_roots(tmp_path / "gone.pem")


def test_one_config_map_holds_all_roots() -> None:
    roots = trusted_roots(environment={})

    def program() -> None:
        workspace = Workspace(
            provider=k8s.Provider("cluster", kubeconfig="{}"),
            namespace="zep",
            priority_class="memory",
            storage_class="encrypted",
            ready=[],
        )
        PostgresTrust("postgres", PostgresTrustArgs(workspace=workspace, roots=roots))

    maps = manifests(deploy(program), "ConfigMap")
    assert maps["postgres-ca"]["data"] == {"ca.crt": "".join(roots)}
