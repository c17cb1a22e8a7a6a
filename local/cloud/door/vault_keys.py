"""Keys of a vault, as its data plane shows and uses them; no private part ever leaves."""

import base64
import binascii

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from local.cloud import keyvault
from local.cloud.arm import Body, Record
from local.cloud.door.calls import Call, attributes, changes
from local.cloud.door.messages import Refused
from local.cloud.keyring import KEY, OAEP, find_version, private_key, usable_version

OAEP_SHA1 = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - Azure's RSA-OAEP
ALGORITHMS: dict[str, padding.AsymmetricPadding] = {
    "RSA-OAEP-256": OAEP,
    "RSA-OAEP": OAEP_SHA1,
    "RSA1_5": padding.PKCS1v15(),
}
CURVES = {"secp256r1": "P-256", "secp256k1": "P-256K", "secp384r1": "P-384", "secp521r1": "P-521"}


def listed(call: Call) -> Body:
    """List all keys, each without a version."""
    keys = call.world.children(call.vault.arm_id, KEY)
    items = [
        {**_item(call, key, find_version(call.world, key, None)), "kid": call.uri(key.name)}
        for key in keys
    ]
    return {"value": items, "nextLink": None}


def versions(call: Call) -> Body:
    """List the versions of a key, the oldest first."""
    key = _key(call)
    found = call.world.private(key.arm_id)["versions"]
    return {"value": [_item(call, key, version) for version in found], "nextLink": None}


def get(call: Call) -> Body:
    """Return the public part of a version; one that is disabled can be looked at."""
    key = _key(call)
    return _bundle(call, key, find_version(call.world, key, call.version))


def rotate(call: Call) -> Body:
    """Add a version, as the key's policy says."""
    key = _key(call)
    keyvault.rotate(call.world, key)
    return _bundle(call, key, find_version(call.world, key, None))


def update(call: Call) -> Body:
    """Switch a version on or off, give it other times, or other tags in place of all it has."""
    key, world = _key(call), call.world
    asked = call.request.json()
    wanted = changes(asked.get("attributes") or {})
    if isinstance(asked.get("tags"), dict):
        wanted["tags"] = asked["tags"]
    with world.transaction():
        name = find_version(world, key, call.version)["version"]
        kept = world.private(key.arm_id)["versions"]
        stamp = {"updated": int(world.now())}
        changed = [{**v, **wanted, **stamp} if v["version"] == name else v for v in kept]
        world.set_private(key.arm_id, {"versions": changed})
    return _bundle(call, key, find_version(world, key, name))


def wrap(call: Call) -> Body:
    """Encrypt a key with this one."""
    key, version = usable_version(call.world, call.object_id, call.version, "wrapKey")
    scheme, value = _asked(call)
    try:
        wrapped = private_key(version).public_key().encrypt(value, scheme)
    except ValueError as error:
        raise Refused(400, "BadParameter", "The value is too long for this key.") from error
    return {"kid": call.uri(key.name, version["version"]), "value": encoded(wrapped)}


def unwrap(call: Call) -> Body:
    """Decrypt what this key wrapped; an old version goes on unwrapping after its time.

    https://learn.microsoft.com/azure/key-vault/keys/about-keys-details#date-time-controlled-operations
    """
    key, version = usable_version(
        call.world, call.object_id, call.version, "unwrapKey", timeless=True
    )
    scheme, value = _asked(call)
    try:
        plain = private_key(version).decrypt(value, scheme)
    except ValueError as error:
        raise Refused(400, "BadParameter", "The parameter is incorrect.") from error
    return {"kid": call.uri(key.name, version["version"]), "value": encoded(plain)}


def encoded(value: bytes) -> str:
    """Return bytes as JSON Web Keys spell them."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes; raises ``ValueError``."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _asked(call: Call) -> tuple[padding.AsymmetricPadding, bytes]:
    body = call.request.json()
    algorithm = body.get("alg")
    if algorithm not in ALGORITHMS:
        words = f"Invalid algorithm '{algorithm}'; one of {', '.join(ALGORITHMS)}."
        raise Refused(400, "BadParameter", words)
    try:
        return ALGORITHMS[algorithm], decoded(str(body.get("value") or ""))
    except binascii.Error as error:
        raise Refused(400, "BadParameter", "'value' is not Base64 for URLs.") from error


def _key(call: Call) -> Record:
    key = call.world.get(call.object_id)
    if key is None:
        raise Refused(
            404,
            "KeyNotFound",
            f"A key with (name/id) {call.name} was not found in this key vault. If you recently"
            " deleted this key you may be able to recover it using the correct recovery command."
            " For help resolving this issue, please see"
            " https://go.microsoft.com/fwlink/?linkid=2125182",
        )
    return key


def _item(call: Call, key: Record, version: Body) -> Body:
    item: Body = {
        "kid": call.uri(key.name, version["version"]),
        "attributes": {**attributes(version), **call.recovery()},
    }
    tags = version.get("tags", key.outputs.get("tags"))
    return {**item, "tags": tags} if tags else item


def _bundle(call: Call, key: Record, version: Body) -> Body:
    item = _item(call, key, version)
    jwk = {"kid": item.pop("kid"), **_public(version, str(key.outputs["kty"]))}
    if "keyOps" in key.outputs:
        jwk["key_ops"] = key.outputs["keyOps"]
    return {"key": jwk, **item}


def _public(version: Body, kty: str) -> Body:
    key = serialization.load_pem_private_key(
        version["pem"].encode(), password=None, unsafe_skip_rsa_key_validation=True
    )
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kty": kty, "n": _number(numbers.n), "e": _number(numbers.e)}
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
    point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    curve = CURVES[key.curve.name]
    return {"kty": kty, "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size)}


def _number(value: int, size: int = 0) -> str:
    return encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
