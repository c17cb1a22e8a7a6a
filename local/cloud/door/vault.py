"""``<name>.vault.azure.net``: keys and secrets, for whoever shows a token and holds a role."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from local.cloud.arm import Body, Record
from local.cloud.door import rights, vault_keys, vault_secrets
from local.cloud.door.calls import Call
from local.cloud.door.messages import Answer, Refused, Request
from local.cloud.door.tokens import VAULTS, Caller, TokenError, read
from local.cloud.keyring import KeyUnavailable, find_vault
from local.cloud.world import World


@dataclass(frozen=True)
class Operation:
    """One of the vault's operations: how it is asked for, and what it takes."""

    method: str
    path: str
    action: str
    """The data action below ``Microsoft.KeyVault/vaults/``."""
    do: Callable[[Call], Body]


NAME = r"/(?P<name>[0-9A-Za-z-]{1,127})"
VERSION = r"(?:/(?P<version>[0-9a-f]*))?"
OPERATIONS = (
    Operation("GET", "/keys", "keys/read", vault_keys.listed),
    Operation("GET", f"/keys{NAME}/versions", "keys/read", vault_keys.versions),
    Operation("POST", f"/keys{NAME}/rotate", "keys/rotate/action", vault_keys.rotate),
    Operation("GET", f"/keys{NAME}{VERSION}", "keys/read", vault_keys.get),
    Operation("PATCH", f"/keys{NAME}{VERSION}", "keys/update/action", vault_keys.update),
    Operation("POST", f"/keys{NAME}{VERSION}/wrapkey", "keys/wrap/action", vault_keys.wrap),
    Operation("POST", f"/keys{NAME}{VERSION}/unwrapkey", "keys/unwrap/action", vault_keys.unwrap),
    Operation("GET", "/secrets", "secrets/readMetadata/action", vault_secrets.listed),
    Operation(
        "GET", f"/secrets{NAME}/versions", "secrets/readMetadata/action", vault_secrets.versions
    ),
    Operation("GET", f"/secrets{NAME}{VERSION}", "secrets/getSecret/action", vault_secrets.get),
    Operation("PUT", f"/secrets{NAME}", "secrets/setSecret/action", vault_secrets.put),
)


def handle(world: World, request: Request) -> Answer:
    """Answer for a vault: first whether it is reached, then who asks, then whether they may."""
    vault = find_vault(world, request.host.partition(".")[0])
    if vault is None:
        raise Refused(404, "VaultNotFound", f"The local cloud has no vault {request.host}.")
    rights.admit_network(world, vault)
    caller = _caller(world, request, vault)
    for operation in OPERATIONS:
        match = re.fullmatch(operation.path, request.path.rstrip("/"))
        if match is None or operation.method != request.method:
            continue
        found = match.groupdict()
        call = Call(
            world=world,
            request=request,
            vault=vault,
            kind=operation.action.partition("/")[0],
            name=found.get("name") or "",
            version=found.get("version") or None,
        )
        rights.admit(world, caller, vault, call.object_id, operation.action)
        return Answer(body=_done(operation, call))
    raise Refused(
        501, "NotImplemented", f"The local vault does not serve {request.method} {request.path}."
    )


def _done(operation: Operation, call: Call) -> Body:
    try:
        return operation.do(call)
    except KeyUnavailable as error:
        if error.status != 403:  # noqa: PLR2004 - HTTP's forbidden
            raise
        inner = None if error.code == "Forbidden" else error.code
        raise Refused(403, "Forbidden", error.message, inner=inner) from error


def _caller(world: World, request: Request, vault: Record) -> Caller:
    """Return who asks; refuses with the challenge that tells a client where to get a token."""
    tenant = vault.outputs["properties"]["tenantId"]
    challenge = {
        "WWW-Authenticate": f'Bearer authorization="https://login.microsoftonline.com/{tenant}",'
        f' resource="{VAULTS}"'
    }
    if request.bearer is None:
        words = "AKV10000: Request is missing a Bearer or PoP token."
        raise Refused(401, "Unauthorized", words, headers=challenge)
    try:
        caller = read(world, request.bearer, VAULTS)
    except TokenError as error:
        raise Refused(
            401, "Unauthorized", f"[TokenValidationError] {error}", headers=challenge
        ) from error
    if caller.tenant_id.lower() != str(tenant).lower():
        words = f"AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{tenant}/."
        raise Refused(401, "Unauthorized", words, headers=challenge)
    return caller
