"""Who calls, and for whom: Api-Keys, and the tenants that they may act for."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memory.service.errors import Forbidden, Unauthorized
from memory.service.secret_file import SecretFile
from memory.service.settings import DEFAULT_TENANT

SCHEME = "Api-Key"
TENANT_HEADER = "X-Engram-Tenant"
SUBJECT_HEADER = "X-Engram-Subject"
"""Set by the gateway for people, who share its key."""
FINGERPRINT_DIGITS = 16
SUBJECT = re.compile(r"[A-Za-z0-9@._-]{1,47}")
KEY = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
FIELDS_WITH_TENANT = 2

Bound = Mapping[bytes, str | None]
"""By a key's digest, the tenant that it is bound to."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, as the audit names them, and whose memories they are."""

    actor: str
    tenant: str


def digest_of(key: str) -> bytes:
    """What a key is looked up by: how long that takes says nothing about the key."""
    return hashlib.sha256(key.encode()).digest()


def parse_keys(text: str) -> Bound:
    """Read ``<key>`` or ``<key> <tenant>`` a line.  Raises ValueError without quoting any."""
    bound: dict[bytes, str | None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, *rest = line.split() or [""]
        if not key or key.startswith("#"):
            continue
        if not KEY.fullmatch(key) or len(rest) >= FIELDS_WITH_TENANT:
            raise ValueError(
                f"line {number}: want a key of 16 to 512 letters, digits or ._~+/=- and, after a"
                " space, the tenant that it is bound to, or none"
            )
        bound[digest_of(key)] = rest[0] if rest else None
    if not bound:
        raise ValueError("there is no key in it; nobody could call")
    return bound


class Callers:
    """Tells who calls by the headers; keys are read again when their file was replaced."""

    def __init__(self, keys: Path, tenants: frozenset[str]) -> None:
        self.file = SecretFile(keys, parse_keys)
        self._tenants = tenants
        self.file.value()  # a service that nobody may call is a mistake: fail at the start

    def who(self, authorization: str | None, tenant: str | None, subject: str | None) -> Caller:
        """Return the caller.  Raises Unauthorized, Forbidden."""
        scheme, _, key = (authorization or "").partition(" ")
        digest = digest_of(key)
        bound = self.file.value()
        if scheme != SCHEME or digest not in bound:
            raise Unauthorized(f"want the header Authorization: {SCHEME} <key> with a valid key")
        mark = digest.hex()[:FINGERPRINT_DIGITS]
        actor = f"{mark}/{subject}" if subject and SUBJECT.fullmatch(subject) else mark
        return Caller(actor=actor, tenant=self._tenant(bound[digest], tenant))

    def _tenant(self, own: str | None, asked: str | None) -> str:
        if own is not None and asked not in (None, own):
            raise Forbidden("the key is bound to another tenant")
        tenant = own or (DEFAULT_TENANT if asked is None else asked)
        if tenant not in self._tenants:
            raise Forbidden(f"there is no such tenant; the header {TENANT_HEADER} names one")
        return tenant
