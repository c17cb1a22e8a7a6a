"""The certificate authority of the local cloud: the root that clients verify.

One per clone, made at first use. Azure's public roots have the same role: a
client that trusts this file and asks for ``verify-full`` knows which server it
talks to.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.files import write_atomically
from local.lock import held

LIFETIME = dt.timedelta(days=3650)
PRIVATE = 0o600
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Authority:
    """Issues server certificates; its private key never leaves ``folder``."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """The certificate that clients name as ``sslrootcert``."""
        return self.folder / "ca.pem"

    @property
    def _key_file(self) -> Path:
        return self.folder / "ca.key"

    def ensure(self) -> "Authority":
        """Create key and certificate unless they exist."""
        if self.ca_file.exists():
            return self
        with held(self.folder / "ca.lock", wait=True):
            if not self.ca_file.exists():
                self._create()
        return self

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Engram local cloud root")])
        certificate = (
            builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        private = _pem(key, serialization.NoEncryption()).decode()
        write_atomically(self._key_file, private, PRIVATE)
        # Last, and in one step: whoever sees the certificate also finds the key.
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        write_atomically(self.ca_file, pem)

    def issue(self, fqdn: str, passphrase: bytes) -> tuple[bytes, bytes]:
        """Return a new private key, encrypted, and its certificate for one name; both PEM."""
        self.ensure()
        issuer = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        signer = serialization.load_pem_private_key(self._key_file.read_bytes(), password=None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)  # noqa: S101 - we wrote it
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name holds 64 characters, and a server's name may need more: the
        # alternative name is what clients compare.
        host = fqdn.partition(".")[0]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            builder(subject, issuer.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(fqdn)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
                critical=False,
            )
            .sign(signer, hashes.SHA256())
        )
        encrypted = _pem(key, serialization.BestAvailableEncryption(passphrase))
        return encrypted, certificate.public_bytes(serialization.Encoding.PEM)


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Return a certificate of ten years, to which extensions are added and a signature."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
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


def _pem(
    key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )
