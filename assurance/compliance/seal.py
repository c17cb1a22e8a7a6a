"""Hashes of all files, and a signature over them that openssl alone can verify."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from assurance.errors import AssuranceError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
PUBLIC_KEY = "signing-key.pub.pem"
SEALS = {MANIFEST, SIGNATURE, PUBLIC_KEY}


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What a verified folder says of itself."""

    stack: str
    at: str
    files: int
    fingerprint: str


def seal(
    files: Mapping[str, bytes], *, stack: str, at: datetime, key: Ed25519PrivateKey
) -> dict[str, bytes]:
    """Return the files with manifest, signature and public key added."""
    manifest = {
        "stack": stack,
        "at": at.isoformat(),
        "files": [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in sorted(files.items())
        ],
    }
    text = (json.dumps(manifest, indent=1) + "\n").encode()
    return {
        **files,
        MANIFEST: text,
        SIGNATURE: key.sign(text),
        PUBLIC_KEY: _pem(key.public_key()),
    }


def verify(folder: Path, public_key: Path | None = None) -> Sealed:
    """Prove that a folder is what was signed: nothing changed, missing or added.

    ``public_key`` is the auditor's copy; without it, only that the folder is whole is proven.
    Raises ``AssuranceError`` with everything that is wrong.
    """
    key = _public(public_key or folder / PUBLIC_KEY)
    manifest = _read(folder / MANIFEST)
    try:
        key.verify(_read(folder / SIGNATURE), manifest)
    except InvalidSignature as error:
        raise AssuranceError(
            f"{folder / MANIFEST} is not what the key {fingerprint(key)} signed; ask for the "
            "folder anew, and for the key's fingerprint by another way"
        ) from error
    listed = json.loads(manifest)
    if faults := list(_faults(folder, listed)):
        raise AssuranceError("\n".join(faults))
    return Sealed(
        stack=listed["stack"],
        at=listed["at"],
        files=len(listed["files"]),
        fingerprint=fingerprint(key),
    )


def is_sealed(folder: Path) -> bool:
    """Return whether a folder was written by ``seal``, changed since or not."""
    if not all((folder / name).is_file() for name in SEALS):
        return False
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except ValueError:
        return False
    return isinstance(manifest, dict) and manifest.keys() == {"stack", "at", "files"}


def _faults(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    names = {entry["name"] for entry in manifest["files"]}
    for entry in manifest["files"]:
        file = folder / entry["name"]
        if not file.is_file():
            yield f"{entry['name']} is missing"
        elif hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
            yield f"{entry['name']} was changed after it was signed"
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    yield from (f"{name} was added after the signing" for name in sorted(there - names - SEALS))


def signing_key(file: Path) -> Ed25519PrivateKey:
    """Return the key of a PEM file; make it at first use, for its owner's eyes only.

    Raises ``AssuranceError`` where the file holds another kind of key.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    try:
        key = serialization.load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError) as error:
        raise AssuranceError(_no_key(file)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AssuranceError(_no_key(file))
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what the auditor compares: SHA-256 of the public key, as ``openssl`` writes it out."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _public(file: Path) -> Ed25519PublicKey:
    try:
        key = serialization.load_pem_public_key(_read(file))
    except ValueError as error:
        raise AssuranceError(f"{file} is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AssuranceError(f"{file} is no Ed25519 key; folders are signed with one")
    return key


def _no_key(file: Path) -> str:
    return (
        f"{file} is no Ed25519 key in PEM without a passphrase; "
        f"`openssl genpkey -algorithm ed25519 -out {file}` makes one"
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise AssuranceError(f"{file}: {error.strerror}") from error
