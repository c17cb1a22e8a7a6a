"""Secrets of a vault: what ARM only takes, its data plane also gives."""

from local.cloud.arm import Body, Record, resource_group_of, without
from local.cloud.door.calls import Call, attributes, changes
from local.cloud.door.messages import Refused
from local.cloud.keyring import SECRET
from local.cloud.resources.secret import MAX_BYTES, Secret


def listed(call: Call) -> Body:
    """List all secrets, each without version and value."""
    secrets = call.world.children(call.vault.arm_id, SECRET)
    items = [
        {**_item(call, one, _versions(call, one)[-1]), "id": call.uri(one.name)} for one in secrets
    ]
    return {"value": items, "nextLink": None}


def versions(call: Call) -> Body:
    """List the versions of a secret, the oldest first, without their values."""
    secret = _secret(call)
    return {
        "value": [_item(call, secret, one) for one in _versions(call, secret)],
        "nextLink": None,
    }


def get(call: Call) -> Body:
    """Return the value of a version."""
    secret = _secret(call)
    found = [one for one in _versions(call, secret) if call.version in (None, one["version"])]
    if not found:
        raise _missing(f"{call.name}/{call.version}")
    version = found[-1]
    if not version.get("enabled", True):
        words = "Operation get is not allowed on a disabled secret."
        raise Refused(403, "Forbidden", words, inner="SecretDisabled")
    return {"value": version["value"], **_item(call, secret, version)}


def put(call: Call) -> Body:
    """Add a version, and with it the secret where there is none; ARM shows it from then on."""
    world, given = call.world, call.request.json()
    value = given.get("value")
    if not isinstance(value, str) or len(value.encode()) > MAX_BYTES:
        words = f"The value of the secret must be a text of at most {MAX_BYTES // 1024} KiB."
        raise Refused(400, "BadParameter", words)
    inputs: Body = {
        "properties": {
            "value": value,
            "attributes": changes(given.get("attributes") or {}),
            **({"contentType": given["contentType"]} if given.get("contentType") else {}),
        },
        **({"tags": given["tags"]} if given.get("tags") else {}),
        "resourceGroupName": (resource_group_of(call.object_id) or "").rpartition("/")[2],
        "vaultName": call.vault.name,
        "secretName": call.name,
    }
    with world.transaction():
        old = world.get(call.object_id)
        Secret().admit(world, call.object_id, inputs, old)
        outputs = Secret().set_version(world, call.object_id, inputs)
        kept = old.inputs if old else without(inputs, Secret.secrets)
        arm_id, urn = (old.arm_id, old.urn) if old else (call.object_id, "")
        marked = old.secrets if old else frozenset()
        world.put(Record(arm_id, SECRET, kept, outputs, urn, world.now(), marked))
    secret = _secret(call)
    version = _versions(call, secret)[-1]
    return {"value": version["value"], **_item(call, secret, version)}


def _secret(call: Call) -> Record:
    secret = call.world.get(call.object_id)
    if secret is None:
        raise _missing(call.name)
    return secret


def _missing(name: str) -> Refused:
    return Refused(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted"
        " this secret you may be able to recover it using the correct recovery command. For help"
        " resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182",
    )


def _versions(call: Call, secret: Record) -> list[Body]:
    found: list[Body] = call.world.private(secret.arm_id)["versions"]
    return found


def _item(call: Call, secret: Record, version: Body) -> Body:
    """Return all but the value."""
    content = version.get("contentType")
    tags = secret.outputs.get("tags")
    return {
        "id": call.uri(secret.name, version["version"]),
        "attributes": {**attributes(version), **call.recovery()},
        **({"contentType": content} if content else {}),
        **({"tags": tags} if tags else {}),
    }
