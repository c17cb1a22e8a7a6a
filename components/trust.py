"""Whom a workload believes to be the PostgreSQL server: the roots that ``verify-full`` ends at."""

import hashlib
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core, meta

from components.workloads import Workspace

AZURE_ROOTS = Path(__file__).parent / "certificates" / "azure_postgres_roots.pem"
"""What every region outside China ends at.

https://learn.microsoft.com/azure/postgresql/security/security-tls
"""
NAME = "postgres-ca"
KEY = "ca.crt"
BEGIN, END = (f"-----{mark} CERTIFICATE-----" for mark in ("BEGIN", "END"))


class TrustError(Exception):
    """The certificates of the database's authority cannot be had."""


def trusted_roots(
    ca_file: Path | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Return the roots that a client of the database trusts, each as PEM.

    The settings decide; without them libpq's own variable, by which whoever runs the program hands
    over the authority of its servers; without both, Azure's published roots. ``system``, which
    libpq also takes, names no file, and means those.

    Raises ``TrustError`` as ``certificates`` does.
    """
    variable = environment.get("PGSSLROOTCERT", "")
    chosen = Path(variable) if variable not in {"", "system"} else AZURE_ROOTS
    return certificates(ca_file or chosen)


def certificates(file: Path) -> tuple[str, ...]:
    """Return what is between the marks: comments and private keys stay behind.

    Raises ``TrustError`` where the file cannot be read or holds no certificate.
    """
    remedy = "name a readable PEM file with the roots of the server's certificate"
    try:
        blocks = file.read_text(encoding="utf-8").split(BEGIN)[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise TrustError(f"{file}: not readable ({error}); {remedy}") from error
    if not blocks:
        raise TrustError(f"{file}: holds no certificate; {remedy}")
    found = tuple(f"{BEGIN}{block.partition(END)[0]}{END}\n" for block in blocks)
    for number, certificate in enumerate(found, start=1):
        try:
            ssl.create_default_context(cadata=certificate)
        except ssl.SSLError as error:
            raise TrustError(f"{file}: certificate {number} is damaged; {remedy}") from error
    return found


@dataclass(frozen=True, kw_only=True)
class PostgresTrustArgs:
    """What a caller decides."""

    workspace: Workspace
    roots: tuple[str, ...]
    """PEM; see ``trusted_roots``."""


class PostgresTrust(pulumi.ComponentResource):
    """The ConfigMap that every client of the database mounts."""

    checksum: str
    """Of the roots: in a pod's annotations, other roots roll the pods."""

    def __init__(
        self, name: str, args: PostgresTrustArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:PostgresTrust", name, {}, opts)
        content = "".join(args.roots)
        self.checksum = hashlib.sha256(content.encode()).hexdigest()
        self.config_map = core.v1.ConfigMap(
            f"{name}-ca",
            metadata=meta.v1.ObjectMetaArgs(name=NAME, namespace=args.workspace.namespace),
            data={KEY: content},
            opts=args.workspace.options(self),
        )
        self.register_outputs({})

    def volume(self) -> core.v1.VolumeArgs:
        """Return the volume that holds the roots, as ``ca.crt``."""
        return core.v1.VolumeArgs(
            name=NAME, config_map=core.v1.ConfigMapVolumeSourceArgs(name=NAME)
        )
