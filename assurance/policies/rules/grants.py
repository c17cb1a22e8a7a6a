"""Who may do what: roles that are narrow, on one thing each, for identities of this stack."""

import re
from collections.abc import Iterator
from typing import Final

from assurance.policies.azure import (
    CLUSTER,
    DISK_ENCRYPTION_SET,
    GRANT,
    GROUP,
    IDENTITY,
    KEY,
    PROPAGATION,
    SECRET,
    SERVER,
    is_number,
)
from assurance.policies.model import (
    Fault,
    Resource,
    Severity,
    Stack,
    Undecidable,
    resource_rule,
    stack_rule,
)
from assurance.policies.words import must_be, unlike

CRYPTO_USER: Final = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
SECRETS_USER: Final = "4633458b-17de-408a-b874-0445c86b69e6"
SECRETS_OFFICER: Final = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
ROLES: Final = {
    CRYPTO_USER: "Key Vault Crypto Service Encryption User",
    SECRETS_USER: "Key Vault Secrets User",
    SECRETS_OFFICER: "Key Vault Secrets Officer",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
}
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""
ON_ONE: Final = ((SECRETS_USER, SECRET), (SECRETS_OFFICER, SECRET), (CRYPTO_USER, KEY))
"""Roles that hold on one thing of a vault, and of which kind it is."""
WIDE: Final = re.compile(r"(/subscriptions/[^/]+(/resourcegroups/[^/]+)?|/providers/.*)?/?", re.I)
"""Scopes that hold more than one thing: nothing, a subscription, a group, a management group."""
ENCRYPTION: Final = "dataEncryption"
USES: Final = (
    (SERVER, f"{ENCRYPTION}.primaryKeyURI", f"{ENCRYPTION}.primaryUserAssignedIdentityId"),
    (SERVER, f"{ENCRYPTION}.geoBackupKeyURI", f"{ENCRYPTION}.geoBackupUserAssignedIdentityId"),
    (DISK_ENCRYPTION_SET, "activeKey.keyUrl", "identity.userAssignedIdentities"),
)
"""What uses a key: its type, where the key's address stands, and where the identity's."""
SHORTEST_WAIT_SECONDS: Final = 120
"""Azure's directory takes minutes to tell everybody of a grant."""


def role_of(grant: Resource) -> str:
    """Return the GUID of a grant's role."""
    return str(grant.get("roleDefinitionId", "")).rsplit("/", maxsplit=1)[-1].casefold()


@resource_rule(
    GRANT,
    name="rbac-narrow-roles",
    title="A grant is of a role that can do one job",
    severity=Severity.HIGH,
    remediation=f"Use one of: {', '.join(sorted(ROLES.values()))}.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-6",),
)
def narrow_roles(grant: Resource) -> Iterator[str]:
    """Owner and Contributor may do everything, and so may whoever takes them over."""
    if role_of(grant) not in ROLES:
        yield unlike("roleDefinitionId", role_of(grant), ", ".join(sorted(ROLES.values())))


@stack_rule(
    name="rbac-narrow-scopes",
    title="A grant is on one thing: a secret, a key, a subnet, never a whole group",
    severity=Severity.HIGH,
    remediation="Make the scope the id of the one resource that is needed.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-6",),
)
def narrow_scopes(stack: Stack) -> Iterator[Fault]:
    """A secret that is added later is then nobody's by accident."""
    for grant in stack.of_type(GRANT):
        scope = _known(grant, "scope")
        wide = [found for found in stack.of_type(GROUP) if grant.refers("scope", found)]
        if wide or (scope is not None and WIDE.fullmatch(scope)):
            yield grant, unlike("scope", scope or wide[0].name, "one resource")
        for role, types in ON_ONE:
            if role_of(grant) == role and not _on_one(stack, grant, types, scope):
                yield grant, unlike("scope", scope, "one key" if types == KEY else "one secret")


def _on_one(stack: Stack, grant: Resource, kind: str, scope: str | None) -> bool:
    """Return whether a scope is one of the stack's keys or secrets, or one in another's vault."""
    if any(grant.refers("scope", found) for found in stack.of_type(kind)):
        return True
    part = "keys" if kind == KEY else "secrets"
    return scope is not None and bool(re.search(rf"/vaults/[^/]+/{part}/[^/]+$", scope))


def _known(resource: Resource, path: str) -> str | None:
    """Return what stands at a path, or nothing while that is not known."""
    try:
        return str(resource.get(path, ""))
    except Undecidable:
        return None


@resource_rule(
    GRANT,
    name="rbac-programs-only",
    title="A deployment grants to programs, never to a person",
    severity=Severity.MEDIUM,
    remediation="Set principalType to ServicePrincipal; people get roles from the directory.",
    ai_rmf=("GOVERN 2.1",),
    sp800_53=("AC-2",),
)
def programs_only(grant: Resource) -> Iterator[str]:
    """Naming the type also spares Azure a look-up that fails for a new identity."""
    yield from must_be(grant.inputs, "principalType", "ServicePrincipal")


@stack_rule(
    name="rbac-own-identities",
    title="Whoever gets a grant is an identity of this stack",
    severity=Severity.HIGH,
    remediation="Grant to an identity that the stack makes, or to its cluster's own.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-2", "AC-6"),
)
def own_identities(stack: Stack) -> Iterator[Fault]:
    """A grant to anybody else would outlive the stack unseen."""
    identities, clusters = stack.of_type(IDENTITY), stack.of_type(CLUSTER)
    for grant in stack.of_type(GRANT):
        ours = any(grant.refers("principalId", it, own="principalId") for it in identities)
        if not ours and not any(_is_kubelet(grant, cluster) for cluster in clusters):
            principal = _known(grant, "principalId")
            yield grant, unlike("principalId", principal, "an identity of the stack")


def _is_kubelet(grant: Resource, cluster: Resource) -> bool:
    """Return whether a grant is to the identity that Azure made for a cluster's nodes."""
    profile = cluster.outputs.get("identityProfile") or {}
    kubelet = (profile.get("kubeletidentity") or {}).get("objectId")
    principal = _known(grant, "principalId")
    if kubelet and principal:
        return str(principal).casefold() == str(kubelet).casefold()
    return cluster.urn in grant.property_dependencies.get("principalId", ())


@resource_rule(
    PROPAGATION,
    name="rbac-grants-awaited",
    title="Nothing uses a grant before Azure has told everybody of it",
    severity=Severity.MEDIUM,
    remediation="Set grant_wait_seconds to 120 or more.",
    ai_rmf=("MANAGE 2.3",),
)
def grants_awaited(wait: Resource) -> Iterator[str]:
    """A server that may not read its key is made, and cannot be repaired."""
    if not is_number(wait.get("wait_seconds"), SHORTEST_WAIT_SECONDS):
        allowed = f"{SHORTEST_WAIT_SECONDS} or more"
        yield unlike("wait_seconds", wait.get("wait_seconds"), allowed)


@stack_rule(
    name="key-granted-before-use",
    title="The identity of each database and disk may use exactly its key, before it is made",
    severity=Severity.CRITICAL,
    remediation="Grant Key Vault Crypto Service Encryption User on the key to the identity, and"
    " let the resource wait for it.",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.4"),
    sp800_53=("AC-6", "SC-12"),
)
def granted_before_use(stack: Stack) -> Iterator[Fault]:
    """Without the grant a server is ``Inaccessible`` within the hour."""
    for kind, uri, identity in USES:
        for resource in stack.of_type(kind):
            if _declares(resource, uri) and not _may_use(stack, resource, uri, identity):
                yield resource, f"no grant on the key of {uri} to its identity precedes it"


def _declares(resource: Resource, path: str) -> bool:
    """Return whether anything, known or not, stands at a path."""
    try:
        return resource.get(path) is not None
    except Undecidable:
        return True


def _may_use(stack: Stack, resource: Resource, uri: str, identity: str) -> bool:
    return any(
        role_of(grant) == CRYPTO_USER
        and is_on_key(stack, grant, resource, uri)
        and _is_to(stack, grant, resource, identity)
        and stack.waits_for(resource, grant)
        for grant in stack.of_type(GRANT)
    )


def _is_to(stack: Stack, grant: Resource, resource: Resource, path: str) -> bool:
    return any(
        grant.refers("principalId", identity, own="principalId")
        and _acts_as(resource, path, identity)
        for identity in stack.of_type(IDENTITY)
    )


def _acts_as(resource: Resource, path: str, identity: Resource) -> bool:
    """Return whether an identity is the one at a path, or one of the list or map there."""
    try:
        listed = resource.get(path)
    except Undecidable:
        return resource.refers(path, identity)
    if isinstance(listed, str):
        return resource.refers(path, identity)
    if not identity.id:
        wired = resource.refers(path, identity)
        return wired and any(identity.ends(str(it)) for it in listed or ())
    return identity.id.casefold() in {str(it).casefold() for it in listed or ()}


def is_on_key(stack: Stack, grant: Resource, resource: Resource, path: str) -> bool:
    """Return whether a grant is on the key whose address stands at a path."""
    uri = _known(resource, path)
    for key in stack.of_type(KEY):
        if grant.refers("scope", key) and _is_address(uri, key, resource, path):
            return True
    scope = _known(grant, "scope")
    parts = re.fullmatch(r"https://([^./]+)\.[^/]+/keys/([^/]+)(/.*)?", uri or "")
    return bool(parts and scope) and str(scope).casefold().endswith(
        f"/vaults/{parts[1]}/keys/{parts[2]}".casefold() if parts else "/"
    )


def _is_address(uri: str | None, key: Resource, resource: Resource, path: str) -> bool:
    if uri is None:
        return key.urn in resource.property_dependencies.get(path.split(".", maxsplit=1)[0], ())
    vault, name = _known(key, "vaultName"), _known(key, "keyName")
    return re.fullmatch(rf"https://{vault}\.[^/]+/keys/{name}(/.*)?", uri, re.I) is not None
