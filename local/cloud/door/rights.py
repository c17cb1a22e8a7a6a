"""Who may do what in a vault: data actions of the built-in roles, or the vault's own policies."""

from fnmatch import fnmatchcase

from local.cloud.arm import Record
from local.cloud.door.messages import Refused
from local.cloud.door.tokens import Caller
from local.cloud.world import World

PRIVATE_ENDPOINT = "Microsoft.Network/privateEndpoints"

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security
DATA_ACTIONS = {
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": ("*",),  # Administrator
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": ("keys/*", "keyrotationpolicies/*"),  # Crypto Officer
    "12338af0-0e69-4776-bea7-57ae8d297424": (  # Crypto User
        "keys/read",
        *(f"keys/{verb}/action" for verb in ("update", "encrypt", "decrypt", "wrap", "unwrap")),
    ),
    "e147488a-f6f5-4113-8e2d-b22465e65bf6": (  # Crypto Service Encryption User
        "keys/read",
        "keys/wrap/action",
        "keys/unwrap/action",
    ),
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": ("secrets/*",),  # Secrets Officer
    "4633458b-17de-408a-b874-0445c86b69e6": (  # Secrets User
        "secrets/getSecret/action",
        "secrets/readMetadata/action",
    ),
    "21090545-7ca7-4776-b22c-e363652d74d2": ("*/read", "secrets/readMetadata/action"),  # Reader
}
"""By role, what it allows below ``Microsoft.KeyVault/vaults/``."""


def admit(world: World, caller: Caller, vault: Record, object_id: str, action: str) -> None:
    """Raise ``Refused`` unless the caller may do this to a key, a secret, or the vault."""
    properties = vault.outputs["properties"]
    if not properties.get("enableRbacAuthorization"):
        _admit_by_policy(caller, vault, action)
        return
    roles = world.grants(caller.principal_id, object_id)
    allowed = [pattern for role in roles for pattern in DATA_ACTIONS.get(role, ())]
    if not caller.is_owner and not any(fnmatchcase(action, pattern) for pattern in allowed):
        raise Refused(403, "Forbidden", _unauthorised(caller, vault, object_id, action), inner=RBAC)


RBAC = "ForbiddenByRbac"


def admit_network(world: World, vault: Record) -> None:
    """Raise ``Refused`` where a vault is closed to the public, and no private link leads to it."""
    properties = vault.outputs["properties"]
    if str(properties.get("publicNetworkAccess", "Enabled")).lower() != "disabled":
        return
    for endpoint in world.of_type(PRIVATE_ENDPOINT):
        for connection in endpoint.outputs["privateLinkServiceConnections"]:
            if str(connection["privateLinkServiceId"]).lower() == vault.arm_id.lower():
                return
    raise Refused(
        403,
        "Forbidden",
        "Public network access is disabled and request is not from a trusted service nor via an"
        f" approved private link.\r\nVault: {vault.name};location={vault.outputs.get('location')}",
        inner="ForbiddenByConnection",
    )


def _admit_by_policy(caller: Caller, vault: Record, action: str) -> None:
    kind, _, rest = action.partition("/")
    verb = {"read": "get", "getSecret/action": "get", "setSecret/action": "set"}.get(
        rest, rest.removesuffix("/action")
    )
    verb = {"readMetadata": "list", "wrap": "wrapkey", "unwrap": "unwrapkey"}.get(verb, verb)
    for policy in vault.outputs["properties"].get("accessPolicies") or ():
        allowed = {one.lower() for one in policy.get("permissions", {}).get(kind, ())}
        if policy.get("objectId", "").lower() == caller.principal_id and allowed & {verb, "all"}:
            return
    if caller.is_owner:
        return
    raise Refused(
        403,
        "Forbidden",
        f"The user, group or application '{_named(caller)}' does not have {kind} {verb} permission"
        f" on key vault '{vault.name};location={vault.outputs.get('location')}'. For help resolving"
        " this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287",
        inner="ForbiddenByPolicy",
    )


def _unauthorised(caller: Caller, vault: Record, object_id: str, action: str) -> str:
    return (
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny"
        " assignments or role definitions were changed recently, please observe propagation"
        f" time.\r\nCaller: {_named(caller)}\r\n"
        f"Action: 'Microsoft.KeyVault/vaults/{action}'\r\nResource: '{object_id.lower()}'\r\n"
        "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n"
        f"Vault: {vault.name};location={vault.outputs.get('location')}\r\n"
    )


def _named(caller: Caller) -> str:
    issuer = f"https://sts.windows.net/{caller.tenant_id}/"
    return f"appid={caller.client_id};oid={caller.principal_id};iss={issuer}"
