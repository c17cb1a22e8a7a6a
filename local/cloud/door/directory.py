"""Who is in the directory: identities, whom they trust, and the person whose cloud this is."""

import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from local.cloud.arm import Record, lookup
from local.cloud.cluster import fleet
from local.cloud.cluster.errors import ClusterError
from local.cloud.door.tokens import ALGORITHM, FACT, Caller
from local.cloud.resources.federated_identity_credential import CREDENTIAL
from local.cloud.resources.managed_cluster import ManagedCluster
from local.cloud.world import IDENTITY, World

TRUST = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"

SKEW_SECONDS = 300
"""How far apart the clocks of a cluster and of Entra may be."""


class DirectoryError(Exception):
    """Entra's refusal of a token: its number, its OAuth code, and words."""

    def __init__(self, number: int, code: str, words: str, status: int = 401) -> None:
        super().__init__(f"AADSTS{number}: {words}")
        self.number = number
        self.code = code
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The person who signed in with ``az login``, on this machine: may do everything.

    A service principal with a secret stands in for them, because that takes no browser.
    """

    client_id: str
    principal_id: str
    secret: str


def owner(world: World) -> Owner:
    """Return the owner; made at the first use, and sealed in the store."""
    with world.store.transaction():
        kept = world.store.fact(FACT, "owner")
        if kept is None:
            names = {name: str(uuid.uuid4()) for name in ("client_id", "principal_id")}
            kept = {**names, "secret": secrets.token_urlsafe(32)}
            world.store.set_fact(FACT, "owner", kept)
    return Owner(**kept)


def with_secret(world: World, tenant: str, client_id: str, secret: str) -> Caller:
    """Return who shows a client secret; raises ``DirectoryError``."""
    known = owner(world)
    if client_id != known.client_id:
        raise _no_application(client_id, tenant)
    if not secrets.compare_digest(secret.encode(), known.secret.encode()):
        raise DirectoryError(
            7000215,
            "invalid_client",
            "Invalid client secret provided. Ensure the secret being sent in the request is the"
            f" client secret value, not the client secret ID, for a secret added to app"
            f" '{client_id}'.",
        )
    return Caller(
        principal_id=known.principal_id, client_id=client_id, tenant_id=tenant, is_owner=True
    )


def with_assertion(world: World, tenant: str, client_id: str, assertion: str) -> Caller:
    """Return the identity that trusts a cluster's token; raises ``DirectoryError``."""
    identity = next(
        (
            one
            for one in world.of_type(IDENTITY)
            if (one.outputs["clientId"], one.outputs["tenantId"]) == (client_id, tenant)
        ),
        None,
    )
    if identity is None:
        raise _no_application(client_id, tenant)
    claimed = _unverified(assertion)
    _find_trust(world, identity, claimed)
    _verify(world, assertion, claimed)
    return Caller(
        principal_id=identity.outputs["principalId"], client_id=client_id, tenant_id=tenant
    )


def tenants(world: World) -> set[str]:
    """Return the tenants that anybody lives in."""
    return {str(one.outputs["tenantId"]) for one in world.of_type(IDENTITY)}


def _unverified(assertion: str) -> Mapping[str, Any]:
    """Return what a token says, to find out who could verify it."""
    try:
        _, middle, _ = assertion.split(".")
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise DirectoryError(
            50027, "invalid_request", "JWT token is invalid or malformed.", status=400
        )
    return claims


def _find_trust(world: World, identity: Record, claimed: Mapping[str, Any]) -> None:
    """Raise unless a credential of the identity names issuer, subject and audience exactly."""
    told = claimed.get("aud")
    audiences = told if isinstance(told, list) else [told]
    found = [one.outputs for one in world.children(identity.arm_id, CREDENTIAL)]
    for number, what, shown, fits in (
        (700211, "issuer", claimed.get("iss"), lambda one: one["issuer"] == claimed.get("iss")),
        (700213, "subject", claimed.get("sub"), lambda one: one["subject"] == claimed.get("sub")),
        (700212, "audience", told, lambda one: bool({*one["audiences"]} & {*audiences})),
    ):
        found = [one for one in found if fits(one)]
        if not found:
            raise DirectoryError(
                number,
                "invalid_client",
                f"No matching federated identity record found for presented assertion {what}"
                f" '{shown}'. Check your federated identity credential Subject, Audience and"
                f" Issuer against the presented assertion. {TRUST}",
            )


def _verify(world: World, assertion: str, claimed: Mapping[str, Any]) -> None:
    """Raise unless the cluster that the issuer belongs to signed the token, and it is of now."""
    try:
        key = RSAKey.import_key(_key_of(world, str(claimed["iss"])))
        claims = jwt.decode(assertion, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError) as error:
        raise DirectoryError(
            700027,
            "invalid_client",
            "The certificate with identifier used to sign the client"
            " assertion is not registered, or client assertion failed signature validation.",
        ) from error
    now = world.now()
    if not claims.get("nbf", 0) - SKEW_SECONDS <= now < claims.get("exp", 0) + SKEW_SECONDS:
        raise DirectoryError(
            700024, "invalid_client", "Client assertion is not within its valid time range."
        )


def _key_of(world: World, issuer: str) -> bytes:
    """Return the public key behind an issuer; Entra reads it at the issuer's address."""
    for cluster in world.of_type(ManagedCluster.type):
        if lookup(cluster.outputs, "oidcIssuerProfile.issuerURL") == issuer:
            try:
                return fleet.token_key(cluster.arm_id)
            except (ClusterError, OSError):
                break
    raise DirectoryError(
        50166, "invalid_request", f"Request to External OIDC endpoint failed: {issuer}", status=400
    )


def _no_application(client_id: str, tenant: str) -> DirectoryError:
    return DirectoryError(
        700016,
        "unauthorized_client",
        f"Application with identifier '{client_id}' was not found in the directory '{tenant}'."
        " This can happen if the application has not been installed by the administrator of the"
        " tenant or consented to by any user in the tenant. You may have sent your authentication"
        " request to the wrong tenant.",
        status=400,
    )
