"""The directory's tokens: who signs them, what they say, and who shows one.

A token says who somebody is for an hour, and never what they may: that is looked up in the role
assignments at each request.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from local.cloud.door.messages import Refused, Request
from local.cloud.world import World

FACT = "directory"
ALGORITHM = "RS256"
KEY_BITS = 2048
LIFETIME_SECONDS = 3600
VAULTS = "https://vault.azure.net"
MANAGEMENT = "https://management.azure.com"
RESOURCES = {
    VAULTS: VAULTS,
    MANAGEMENT: MANAGEMENT,
    "https://management.core.windows.net": MANAGEMENT,
}
"""What a token can be asked for, and whom it is then made out to."""


class TokenError(Exception):
    """Nobody is known by what was shown; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who a token stands for."""

    principal_id: str
    client_id: str
    tenant_id: str
    is_owner: bool = False
    """The person whose subscriptions these are; see ``directory.Owner``."""


def issue(world: World, caller: Caller, resource: str) -> str:
    """Return a token for one resource, signed with the directory's key."""
    now = int(world.now())
    claims = {
        "aud": resource,
        "iss": f"https://sts.windows.net/{caller.tenant_id}/",
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME_SECONDS,
        "appid": caller.client_id,
        "idtyp": "user" if caller.is_owner else "app",
        "oid": caller.principal_id,
        "sub": caller.principal_id,
        "tid": caller.tenant_id,
        "uti": uuid.uuid4().hex,
        "ver": "1.0",
    }
    key = signing_key(world)
    return jwt.encode({"alg": ALGORITHM, "kid": key.thumbprint()}, claims, key)


def read(world: World, token: str, resource: str) -> Caller:
    """Return whom a token stands for.

    Raises ``TokenError`` where it is not ours, not of now, or made out to somebody else.
    """
    try:
        claims = jwt.decode(token, signing_key(world), algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError) as error:
        raise TokenError("The signature of the token cannot be verified.") from error
    if not claims["nbf"] <= world.now() < claims["exp"]:
        raise TokenError("The token is not within its time of validity.")
    if claims["aud"] != resource:
        raise TokenError(f"Invalid audience. Expected {resource}, found: {claims['aud']}.")
    return Caller(
        principal_id=claims["oid"],
        client_id=claims["appid"],
        tenant_id=claims["tid"],
        is_owner=claims["idtyp"] == "user",
    )


def caller(world: World, request: Request, resource: str) -> Caller:
    """Return who sends a request; refuses with 401 as ARM does."""
    if request.bearer is None:
        raise Refused(
            401,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
            headers={"WWW-Authenticate": 'Bearer authorization_uri="https://login.windows.net/"'},
        )
    try:
        return read(world, request.bearer, resource)
    except TokenError as error:
        raise Refused(401, "InvalidAuthenticationToken", str(error)) from error


def signing_key(world: World) -> RSAKey:
    """Return the directory's own key; made at its first use."""
    with world.store.transaction():
        kept = world.store.fact(FACT, "key")
        if kept is None:
            kept = {"pem": _new_key()}
            world.store.set_fact(FACT, "key", kept)
    return RSAKey.import_key(kept["pem"])


def public_keys(world: World) -> dict[str, Any]:
    """Return what others verify the directory's tokens with, as a JWKS."""
    key = signing_key(world)
    public = {**key.as_dict(private=False), "kid": key.thumbprint(), "use": "sig"}
    return {"keys": [public]}


def _new_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def stamp(seconds: float) -> str:
    """Return a time as the directory writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
