"""A cluster's own certificate authorities and certificates: made once, then only read.

Clients pin what they were given first, so nothing here is ever made anew: a new CA
or client certificate would be a new cluster to every client.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.cloud.postgres.account import Account
from local.cloud.postgres.authority import builder
from local.files import SECRET, write_atomically

TOKEN_KEY_BITS = 2048
LOOPBACK = ("localhost", "127.0.0.1")
SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")

ADMINISTRATOR = "administrator"
CONTROLLER_MANAGER = "controller-manager"
SCHEDULER = "scheduler"
KWOK = "kwok"
DISKS = "disks"

USERS = {
    ADMINISTRATOR: ("masterclient", "system:masters"),
    CONTROLLER_MANAGER: ("system:kube-controller-manager", None),
    SCHEDULER: ("system:kube-scheduler", None),
    KWOK: ("kwok-controller", None),
    DISKS: ("disk-provisioner", None),
}
"""Who signs in with a certificate: file name, user, group."""


OURS = frozenset({ADMINISTRATOR, DISKS, "etcd-ca"})
"""Keys that no program needs: whoever breaks into one, or into PostgreSQL, does not get them."""


@dataclass(frozen=True)
class Certificates:
    """The folder that holds them, readable for the account of the processes."""

    folder: Path

    def certificate(self, name: str) -> Path:
        """Return the file of a certificate."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the file of a private key."""
        return self.folder / f"{name}.key"

    @property
    def token_key(self) -> Path:
        """The file of the public key that verifies service accounts' tokens."""
        return self.folder / "tokens.pub"

    def ensure(self, account: Account, service_ip: str) -> None:
        """Make all of them, unless they are there; never half of them."""
        if self.folder.exists():
            return
        partial = self.folder.with_name(f"{self.folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        partial.chmod(0o755)
        _Maker(partial, account).make_all(service_ip)
        partial.rename(self.folder)


@dataclass(frozen=True)
class _Signer:
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def named(cls, name: str) -> Self:
        return cls(_name(name), ec.generate_private_key(ec.SECP256R1()))

    def sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        extensions: Iterable[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        certificate = builder(subject, self.name, key)
        for extension, critical in extensions:
            certificate = certificate.add_extension(extension, critical=critical)
        return certificate.sign(self.key, hashes.SHA256())


@dataclass(frozen=True)
class _Maker:
    folder: Path
    account: Account

    def make_all(self, service_ip: str) -> None:
        cluster, etcd = self._authority("ca"), self._authority("etcd-ca")
        # etcd trusts nobody but its own authority: no user of the cluster reads past RBAC.
        self._issue(etcd, "etcd", _name("etcd"), LOOPBACK)
        self._issue(etcd, "etcd-client", _name("kube-apiserver"))
        names = (*LOOPBACK, service_ip, *SERVICE_NAMES, f"{SERVICE_NAMES[-1]}.cluster.local")
        self._issue(cluster, "apiserver", _name("kube-apiserver"), names)
        self._issue(cluster, "kubelet", _name("kubelet"), LOOPBACK)
        self._issue(cluster, "kubelet-client", _name("kube-apiserver-kubelet-client"))
        for file, (user, group) in USERS.items():
            self._issue(cluster, file, _name(user, group))
        self._token_key()

    def _authority(self, name: str) -> _Signer:
        signer = _Signer.named(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        extensions = [(constraints, True), (_usage(signs=True), True)]
        self._write_key(name, signer.key)
        self._write_certificate(name, signer.sign(signer.name, signer.key.public_key(), extensions))
        return signer

    def _issue(
        self, signer: _Signer, file: str, subject: x509.Name, names: Iterable[str] = ()
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=False), True),
            (x509.ExtendedKeyUsage(purposes), False),
        ]
        if alternatives := [_alternative(name) for name in names]:
            extensions.append((x509.SubjectAlternativeName(alternatives), False))
        self._write_key(file, key)
        self._write_certificate(file, signer.sign(subject, key.public_key(), extensions))

    def _token_key(self) -> None:
        """Make the key that signs service accounts' tokens; identity providers want RSA."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=TOKEN_KEY_BITS)
        self._write_key("tokens", key)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_atomically(self.folder / "tokens.pub", public.decode())

    def _write_key(self, name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = self.folder / f"{name}.key"
        write_atomically(file, pem.decode(), SECRET)
        if name not in OURS:
            self.account.lend(file)

    def _write_certificate(self, name: str, certificate: x509.Certificate) -> None:
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        write_atomically(self.folder / f"{name}.crt", pem.decode())


def _name(common: str, organization: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
