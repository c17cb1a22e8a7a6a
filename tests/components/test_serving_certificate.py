"""components/serving_certificate.py: the provider over plain data, and a handshake."""

import base64
import ssl
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.rpc import UNKNOWN

from components.serving_certificate import (
    CertificateError,
    ServingCertificate,
    ServingCertificateProvider,
)
from tests.deployment import Deployment, deploy

PROVIDER = ServingCertificateProvider()
TODAY = datetime.now(UTC).date()
NAMES = ["gateway.zep.svc", "gateway", "memory.example"]


def given(**changed: Any) -> dict[str, Any]:
    return {
        "names": NAMES,
        "renewed_on": TODAY.isoformat(),
        "valid_days": 90.0,
        **changed,
    }


def issued(**changed: Any) -> dict[str, Any]:
    return PROVIDER.create(given(**changed)).outs or {}


def handshake(authority: str, bundle: str, name: str, folder: Path) -> None:
    """Shake hands in memory, as a client that trusts the authority."""
    file = folder / "bundle.pem"
    file.write_text(bundle, encoding="utf-8")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    ]
    for end in [*ends, *ends]:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_the_authority_believes_it(tmp_path: Path, name: str) -> None:
    outputs = issued()
    handshake(outputs["authority"], outputs["bundle"], name, tmp_path)


def test_no_client_believes_another_name(tmp_path: Path) -> None:
    outputs = issued()
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(outputs["authority"], outputs["bundle"], "bank.example", tmp_path)


def test_the_authority_can_sign_for_nobody_else(tmp_path: Path) -> None:
    """Its key is a secret of the stack, and worth little to a thief."""
    theirs = issued()
    forged = PROVIDER.update("id", theirs, given(names=["bank.example"])).outs or {}
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(theirs["authority"], forged["bundle"], "bank.example", tmp_path)


def test_renewal_is_another_key_of_the_same_authority(tmp_path: Path) -> None:
    first = issued()
    wanted = given(renewed_on=(TODAY - timedelta(days=1)).isoformat())
    second = PROVIDER.update("id", first, wanted).outs or {}
    assert second["authority"] == first["authority"]
    assert second["private_key"] != first["private_key"]
    handshake(first["authority"], second["bundle"], "gateway", tmp_path)


def test_times_follow_the_settings_and_not_the_clock() -> None:
    outputs = issued(renewed_on=(TODAY - timedelta(days=10)).isoformat())
    certificate = x509.load_pem_x509_certificate(outputs["certificate"].encode())
    assert certificate.not_valid_after_utc.date() == TODAY + timedelta(days=80)
    assert outputs["expires"] == (TODAY + timedelta(days=80)).isoformat()


def test_the_key_is_one_that_java_reads_too() -> None:
    outputs = issued()
    assert outputs["private_key"].startswith("-----BEGIN PRIVATE KEY-----")
    load_pem_private_key(outputs["private_key"].encode(), password=None)
    assert outputs["bundle"] == outputs["private_key"] + outputs["certificate"]


AUTHORITY_ENDS = (TODAY + timedelta(days=30)).isoformat()
OLD: dict[str, Any] = given(authority_expires=(TODAY + timedelta(days=3000)).isoformat())


@pytest.mark.parametrize(
    ("olds", "news", "changes", "replaces"),
    [
        (OLD, given(), False, []),
        (OLD, given(renewed_on="2030-01-01"), True, []),
        (OLD, given(valid_days=30.0), True, []),
        (OLD, given(names=["other"]), True, ["names"]),
        (OLD, given(names=UNKNOWN), True, ["names"]),
        ({**OLD, "authority_expires": AUTHORITY_ENDS}, given(), False, []),
        (
            {**OLD, "authority_expires": AUTHORITY_ENDS},
            given(renewed_on=(TODAY + timedelta(days=1)).isoformat()),
            True,
            ["renewed_on"],
        ),
    ],
)
def test_diff(
    olds: dict[str, Any], news: dict[str, Any], changes: bool, replaces: list[str]
) -> None:
    diff = PROVIDER.diff("id", olds, news)
    assert (diff.changes, diff.replaces) == (changes, replaces)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"names": []}, "names: is empty; name at least the service"),
        ({"names": ["Gateway"]}, "names: 'Gateway' is no host name"),
        ({"names": ["*.example"]}, "is no host name"),
        ({"names": ["a..b"]}, "is no host name"),
        ({"names": [""]}, "is no host name"),
        ({"valid_days": 398.0}, "valid_days: is 398; between 1 and 397"),
        ({"valid_days": 0.0}, "valid_days: is 0"),
    ],
)
def test_refuses(changed: dict[str, Any], message: str) -> None:
    (failure,) = PROVIDER.check({}, given(**changed)).failures
    assert message in failure.reason


def test_a_certificate_that_has_ended_is_not_issued() -> None:
    with pytest.raises(CertificateError, match="set the date of renewal to today"):
        issued(renewed_on="2020-01-01")


def test_the_provider_is_pickled_by_name() -> None:
    pickled = base64.b64decode(serialize_provider(PROVIDER))
    assert b"components.serving_certificate" in pickled
    assert len(pickled) < 200


def test_keys_are_secret_outputs() -> None:
    def program() -> None:
        ServingCertificate("tls", names=NAMES, renewed_on=date(2026, 11, 1), valid_days=90)

    seen: Deployment = deploy(program)
    assert set(seen.options("tls").additionalSecretOutputs) == {
        "authority_key",
        "private_key",
        "bundle",
    }
