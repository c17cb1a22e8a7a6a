"""The data plane of Key Vault that encryption at rest needs: wrap and unwrap, really.

Key material never leaves the store. Whether a key may be used is decided on
every call, from what stands at that moment.
"""

import base64
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from local.cloud.arm import ArmError, Body, Record, lookup

if TYPE_CHECKING:
    from local.cloud.world import World

VAULT = "Microsoft.KeyVault/vaults"
KEY = "Microsoft.KeyVault/vaults/keys"
SECRET = "Microsoft.KeyVault/vaults/secrets"  # noqa: S105 - the name of a resource type

# Built-in roles whose data actions include keys/wrap and keys/unwrap.
# https://learn.microsoft.com/azure/key-vault/general/rbac-guide
WRAPPING_ROLES = frozenset(
    {
        "e147488a-f6f5-4113-8e2d-b22465e65bf6",  # Crypto Service Encryption User
        "12338af0-0e69-4776-bea7-57ae8d297424",  # Crypto User
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",  # Crypto Officer
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",  # Administrator
    }
)
KEY_URI = re.compile(
    r"https://(?P<vault>[^./]+)\.vault\.azure\.net(?::443)?/keys/(?P<key>[^/]+)(?:/(?P<version>[^/]+))?/?",
    re.IGNORECASE,
)
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


class KeyUnavailable(ArmError):  # noqa: N818 - the state that a server reacts to
    """Key Vault would refuse to wrap or unwrap; ``code`` is its own, e.g. ``KeyDisabled``."""


@dataclass(frozen=True)
class Wrapped:
    """A wrapped secret and the exact key version that can unwrap it."""

    key_uri: str
    """With version; a rotation does not change what older versions wrapped."""
    ciphertext: str
    """Base64."""


def wrap(world: "World", identity_id: str, key_uri: str, plaintext: bytes) -> Wrapped:
    """Encrypt with the key's version of the URI, or its newest."""
    key, version = _usable(world, identity_id, key_uri, "wrapKey")
    public = private_key(version).public_key()
    ciphertext = base64.b64encode(public.encrypt(plaintext, OAEP)).decode()
    return Wrapped(f"{key.outputs['keyUri']}/{version['version']}", ciphertext)


def unwrap(world: "World", identity_id: str, wrapped: Wrapped) -> bytes:
    """Decrypt with exactly the version that wrapped."""
    _, version = _usable(world, identity_id, wrapped.key_uri, "unwrapKey")
    return private_key(version).decrypt(base64.b64decode(wrapped.ciphertext), OAEP)


def new_version(kty: str, key_size: int | None, curve: str | None, attributes: Body) -> Body:
    """Return a fresh key version with its material; ``attributes`` as ARM spells them."""
    material: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if kty.startswith("RSA"):
        material = rsa.generate_private_key(public_exponent=65537, key_size=key_size or 2048)
    else:
        material = ec.generate_private_key(CURVES[curve or "P-256"]())
    pem = material.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {**attributes, "version": secrets.token_hex(16), "pem": pem.decode()}


CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-256K": ec.SECP256K1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


def find_vault(world: "World", name: str) -> Record | None:
    """Return a standing vault by its globally unique name."""
    return next((v for v in world.of_type(VAULT) if v.name.lower() == name.lower()), None)


def _usable(world: "World", identity_id: str, key_uri: str, operation: str) -> tuple[Record, Body]:
    match = KEY_URI.fullmatch(key_uri)
    if match is None:
        raise KeyUnavailable(
            400,
            "BadParameter",
            f"'{key_uri}' is no key URI; write https://<vault>.vault.azure.net/keys/<key>.",
        )
    vault = find_vault(world, match["vault"])
    if vault is None:
        raise KeyUnavailable(404, "VaultNotFound", f"The vault '{match['vault']}' was not found.")
    key_id = f"{vault.arm_id}/keys/{match['key']}"
    _admit(world, identity_id, vault, key_id, operation)
    return usable_version(world, key_id, match["version"], operation)


def usable_version(
    world: "World", key_id: str, wanted: str | None, operation: str, *, timeless: bool = False
) -> tuple[Record, Body]:
    """Return a key and its version, the newest where none is wanted, that an operation may use.

    ``timeless`` admits versions that have expired, or begin later. Raises ``KeyUnavailable``.
    """
    key = world.get(key_id)
    if key is None:
        name = key_id.rpartition("/")[2]
        raise KeyUnavailable(
            404, "KeyNotFound", f"A key with (name/id) {name} was not found in this vault."
        )
    if operation not in key.outputs.get("keyOps", (operation,)):
        raise KeyUnavailable(
            403, "Forbidden", f"Operation {operation} is not permitted on this key."
        )
    return key, _version(world, key, wanted, timeless=timeless)


def find_version(world: "World", key: Record, wanted: str | None) -> Body:
    """Return a version of a key, or its newest; raises ``KeyUnavailable`` where there is none."""
    versions: list[Body] = world.private(key.arm_id)["versions"]
    version = next((v for v in reversed(versions) if wanted in (None, v["version"])), None)
    if version is None:
        raise KeyUnavailable(
            404, "KeyNotFound", f"A key with (name/id) {key.name}/{wanted} was not found."
        )
    return version


def _version(world: "World", key: Record, wanted: str | None, *, timeless: bool) -> Body:
    version = find_version(world, key, wanted)
    if not version.get("enabled", True):
        raise KeyUnavailable(
            403, "KeyDisabled", f"Operation is not allowed on a disabled key: {key.name}."
        )
    now = world.now()
    ends, begins = version.get("expires", float("inf")), version.get("notBefore", 0)
    if not timeless and not begins <= now < ends:
        raise KeyUnavailable(
            403, "KeyNotYetValidOrExpired", f"Key '{key.name}' is not yet valid or expired."
        )
    return version


def _admit(world: "World", identity_id: str, vault: Record, key_id: str, operation: str) -> None:
    identity = world.get(identity_id)
    if identity is None:
        raise KeyUnavailable(
            404, "IdentityNotFound", f"The identity '{identity_id}' was not found."
        )
    properties = vault.outputs["properties"]
    principal = str(identity.outputs["principalId"])
    if properties.get("enableRbacAuthorization"):
        allowed = bool(world.grants(principal, key_id) & WRAPPING_ROLES)
    else:
        allowed = any(
            policy.get("objectId", "").lower() == principal.lower()
            and {operation.lower(), "all"}
            & {p.lower() for p in policy.get("permissions", {}).get("keys", ())}
            for policy in properties.get("accessPolicies") or ()
        )
    if not allowed:
        raise KeyUnavailable(
            403,
            "ForbiddenByRbac",
            f"Caller is not authorized to perform {operation} on '{key_id}': grant the identity"
            f" '{identity_id}' the role Key Vault Crypto Service Encryption User.",
        )
    if _closed_to_azure(properties):
        raise KeyUnavailable(
            403,
            "ForbiddenByFirewall",
            f"Vault '{vault.name}' is closed: set networkAcls.bypass to AzureServices.",
        )


def _closed_to_azure(properties: Body) -> bool:
    closed = (
        str(properties.get("publicNetworkAccess", "enabled")).lower() == "disabled"
        or lookup(properties, "networkAcls.defaultAction") == "Deny"
    )
    return closed and bool(lookup(properties, "networkAcls.bypass") == "None")


def private_key(version: Body) -> rsa.RSAPrivateKey:
    """Return the material of a version; it stays in this process."""
    key = serialization.load_pem_private_key(
        version["pem"].encode(),
        password=None,
        unsafe_skip_rsa_key_validation=True,  # our own, sealed in the store; the check takes 0.1 s
    )
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyUnavailable(400, "BadParameter", "Only RSA keys can wrap.")
    return key
