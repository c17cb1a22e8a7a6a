"""A server's certificate and the authority that signed it, for names inside a cluster.

It is the answer for a customer who brings no certificate.  Pulumi keeps the provider in the state
as a pickle: a class of an importable module is kept as its name, so an edit here makes no diff.

The authority is made once and lives for ten years, its key among the stack's secrets; clients
trust it, and renewals of the server's certificate do not concern them.  It may sign for the
server's own names and for nothing else, which is why other names need another authority.
"""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pulumi import dynamic
from pulumi.runtime.rpc import UNKNOWN
from typing_extensions import override

Props = dict[str, Any]

AUTHORITY_DAYS = 3650
LONGEST_DAYS = 397
"""What browsers accept of a server's certificate."""
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
PLACE = ("names",)
"""Other names are another resource: the authority was made for these."""
COMPARED = ("names", "renewed_on", "valid_days")
CLOCK_SKEW = timedelta(days=1)
"""A client whose clock is behind must not find the certificate of the future."""


class CertificateError(Exception):
    """A certificate cannot be issued as it is asked for."""


class ServingCertificateProvider(dynamic.ResourceProvider):
    """Issues and renews; what it made is in the state, and nowhere else."""

    serialize_as_secret_always = False  # pickled as a name; the secrets are outputs

    @override
    def check(self, _olds: Props, news: Props) -> dynamic.CheckResult:
        """Refuse what no client would believe."""
        return dynamic.CheckResult(
            news, [dynamic.CheckFailure("", reason) for reason in _mistakes(news)]
        )

    @override
    def diff(self, _id: str, olds: Props, news: Props) -> dynamic.DiffResult:
        """Compare what was asked for; the clock is not asked, so that a preview never changes."""
        differing = [key for key in COMPARED if olds.get(key) != news.get(key)]
        replaces = [key for key in PLACE if key in differing]
        if "renewed_on" in differing and _outlives(olds, news):
            replaces.append("renewed_on")
        return dynamic.DiffResult(
            changes=bool(differing), replaces=replaces, delete_before_replace=False
        )

    @override
    def create(self, props: Props) -> dynamic.CreateResult:
        """Make an authority, and let it sign."""
        _refuse_the_past(props)
        key = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(props, key)
        outputs = {
            **props,
            "authority": _pem(authority),
            "authority_key": _key_pem(key),
            "authority_expires": authority.not_valid_after_utc.date().isoformat(),
            **_issued(props, authority, key),
        }
        return dynamic.CreateResult(f"{props['names'][0]}/{authority.serial_number:x}", outputs)

    @override
    def update(self, _id: str, _olds: Props, _news: Props) -> dynamic.UpdateResult:
        """Let the same authority sign another key."""
        _refuse_the_past(_news)
        authority = x509.load_pem_x509_certificate(_olds["authority"].encode())
        key = load_pem_private_key(_olds["authority_key"].encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CertificateError("the authority's key in the state is damaged; replace it")
        kept = {name: _olds[name] for name in ("authority", "authority_key", "authority_expires")}
        return dynamic.UpdateResult({**_news, **kept, **_issued(_news, authority, key)})


class ServingCertificate(dynamic.Resource, module="security", name="ServingCertificate"):
    """A certificate for some names, another one whenever the date of renewal is another."""

    authority: pulumi.Output[str]
    """PEM that clients trust; not secret."""
    certificate: pulumi.Output[str]
    """PEM of the server's certificate; not secret."""
    private_key: pulumi.Output[str]
    """PEM (PKCS #8); secret."""
    bundle: pulumi.Output[str]
    """Key and certificate in one PEM, as a gateway reads them; secret."""
    expires: pulumi.Output[str]
    """Last day of the server's certificate."""

    def __init__(
        self,
        name: str,
        *,
        names: Sequence[str],
        renewed_on: date,
        valid_days: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "names": list(names),
            "renewed_on": renewed_on.isoformat(),
            "valid_days": valid_days,
            "authority_key": None,
            "authority_expires": None,
            **dict.fromkeys(self.__annotations__),
        }
        secret = pulumi.ResourceOptions(
            additional_secret_outputs=["authority_key", "private_key", "bundle"]
        )
        merged = pulumi.ResourceOptions.merge(opts, secret)
        super().__init__(ServingCertificateProvider(), name, props, merged)


def _mistakes(news: Props) -> list[str]:
    names = news.get("names")
    if names == UNKNOWN:
        return []
    if not names or UNKNOWN in names:
        return [] if names else ["names: is empty; name at least the service"]
    found = [
        f"names: {name!r} is no host name of lower-case letters, digits, dots and hyphens"
        for name in names
        if HOST_NAME.fullmatch(name) is None
    ]
    days = int(news["valid_days"])
    if not 1 <= days <= LONGEST_DAYS:
        found.append(f"valid_days: is {days}; between 1 and {LONGEST_DAYS} are believed")
    return found


def _refuse_the_past(props: Props) -> None:
    """Raise ``CertificateError`` rather than issue what has expired already."""
    last = _end(props)
    if last <= datetime.now(UTC):
        sys.tracebacklimit = 0
        raise CertificateError(
            f"a certificate of {props['renewed_on']} for {int(props['valid_days'])} days ended on"
            f" {last.date()}; set the date of renewal to today"
        )


def _outlives(olds: Props, news: Props) -> bool:
    expires = olds.get("authority_expires")
    return expires is not None and _end(news).date() > date.fromisoformat(expires)


def _start(props: Props) -> datetime:
    return datetime.combine(date.fromisoformat(props["renewed_on"]), time(), UTC)


def _end(props: Props) -> datetime:
    return _start(props) + timedelta(days=int(props["valid_days"]))


def _authority(props: Props, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    names = [x509.DNSName(name) for name in props["names"]]
    subject = _subject(f"Engram authority of {props['names'][0]}")
    start = _start(props)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(start + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(names, None), critical=True)
        .add_extension(_key_id(key), critical=False)
        .sign(key, hashes.SHA256())
    )


def _issued(
    props: Props, authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey
) -> Props:
    """Return the server's key and certificate, as the outputs are called."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in props["names"]]
    parent = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(props["names"][0]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_start(props) - CLOCK_SKEW)
        .not_valid_after(_end(props))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_key_id(key), critical=False)
        .add_extension(parent, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return {
        "certificate": _pem(certificate),
        "private_key": _key_pem(key),
        "bundle": _key_pem(key) + _pem(certificate),
        "expires": certificate.not_valid_after_utc.date().isoformat(),
    }


def _subject(name: str) -> x509.Name:
    # Longer ones are not allowed in this field, which nobody reads: the names are elsewhere.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_id(key: ec.EllipticCurvePrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
