"""Disk encryption sets: a key of the customer, as managed disks use it.

The set asks Key Vault as its own identity. Whether it still may is asked again for
every new disk: ``refusal_of`` is the door for whoever makes one.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, given, lookup
from local.cloud.keyring import KEY_URI, KeyUnavailable, find_vault
from local.cloud.resources.names import name_rule
from local.cloud.resources.regions import region_of
from local.cloud.resources.subnet import MANAGED_CLUSTER
from local.cloud.world import IDENTITY, World

DISK_ENCRYPTION_SET = "Microsoft.Compute/diskEncryptionSets"
INVALID = "InvalidParameter"


class DiskEncryptionSet(ResourceType):
    """``Microsoft.Compute/diskEncryptionSets`` with a user-assigned identity."""

    token = "azure-native:compute:DiskEncryptionSet"
    type = DISK_ENCRYPTION_SET
    api_version = "2024-03-02"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Compute/diskEncryptionSets/{diskEncryptionSetName}"
    )
    immutable = ("location",)

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, a key without a version, and an identity that cannot be granted."""
        yield from name_rule(
            inputs,
            "diskEncryptionSetName",
            r"[\w-]{1,80}",
            "1-80 letters, digits, '_' and '-'",
            INVALID,
        )
        yield from _check_key(inputs)
        if lookup(inputs, "identity.type") != "UserAssigned" and not _unknown_type(inputs):
            yield Refusal(
                "identity.type",
                "NotImplemented",
                "the local cloud's sets have a UserAssigned identity: only such a one can be"
                " granted the key before the set is made",
            )
        elif lookup(inputs, "identity.userAssignedIdentities") == []:
            yield Refusal("identity.userAssignedIdentities", INVALID, "name one identity")

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a key that disks could not be made with."""
        require_identity(world, _identity(inputs))
        match = KEY_URI.fullmatch(inputs["activeKey"]["keyUrl"])
        vault = match and find_vault(world, match["vault"])
        protection = vault.outputs["properties"] if vault else {}
        if vault and not (
            protection.get("enablePurgeProtection") and protection.get("enableSoftDelete", True)
        ):
            raise ArmError(
                400,
                INVALID,
                f"The vault '{vault.name}' needs soft delete and purge protection to hold the key"
                " of a disk encryption set.",
            )
        _ask_vault(world, inputs)

    def foresee(self, inputs: Body) -> Body:
        """Say nothing of the identity's ids: asked for as a list, answered as a map."""
        return identities_to_come(inputs)

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it."""
        return {
            **self.echo(arm_id, inputs),
            "encryptionType": inputs.get("encryptionType", "EncryptionAtRestWithCustomerKey"),
            "identity": answer_identities(world, inputs["identity"]),
            "previousKeys": [],
            "provisioningState": "Succeeded",
            "rotationToLatestKeyVersionEnabled": inputs.get(
                "rotationToLatestKeyVersionEnabled", False
            ),
        }

    def read(self, world: World, record: Record) -> Body:
        """Return the version in use: with automatic rotation it is the newest."""
        if not record.outputs["rotationToLatestKeyVersionEnabled"]:
            return record.outputs
        versionless = record.inputs["activeKey"]["keyUrl"].rsplit("/", 1)[0]
        try:
            newest = world.wrap(_identity(record.inputs), versionless, b"").key_uri
        except KeyUnavailable:
            return record.outputs
        return {**record.outputs, "activeKey": {**record.outputs["activeKey"], "keyUrl": newest}}

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Change key, identity or rotation."""
        return {**record.outputs, **self.create(world, record.arm_id, inputs)}

    def delete(self, world: World, record: Record) -> None:
        """Refuse while a cluster's disks need it."""
        users = [
            cluster.arm_id
            for cluster in world.of_type(MANAGED_CLUSTER)
            if str(cluster.outputs.get("diskEncryptionSetID")).lower() == record.arm_id.lower()
        ]
        if users:
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"Disk encryption set '{record.name}' is in use by {', '.join(users)} and cannot"
                " be deleted.",
            )


def refusal_of(world: World, set_id: str) -> ArmError | None:
    """Return why no disk can be made with a set now, or ``None`` where one can."""
    record = world.get(set_id)
    if record is None:
        return ArmError(404, "ResourceNotFound", f"The Resource '{set_id}' was not found.")
    try:
        _ask_vault(world, record.inputs, grantee=f"disk encryption set '{record.name}'")
    except ArmError as error:
        return error
    return None


def require_identity(world: World, identity_id: str) -> Record:
    """Return an identity that is assigned to a resource, or refuse."""
    found = world.get(identity_id)
    if found is None or found.type != IDENTITY:
        raise ArmError(400, "InvalidIdentity", f"The identity '{identity_id}' was not found.")
    return found


def answer_identities(world: World, identity: Body) -> Body:
    """Return an identity as Azure answers it: asked for as a list, answered as a map of ids."""
    listed = {
        arm_id: {
            key: require_identity(world, arm_id).outputs[key] for key in ("clientId", "principalId")
        }
        for arm_id in identity.get("userAssignedIdentities") or ()
    }
    return {**identity, "userAssignedIdentities": listed}


def identities_to_come(inputs: Body) -> Body:
    """Return inputs for a preview, in which the map of identities is not known yet."""
    if not isinstance(inputs.get("identity"), dict):
        return inputs
    rest = {k: v for k, v in inputs["identity"].items() if k != "userAssignedIdentities"}
    return {**inputs, "identity": rest}


def _check_key(inputs: Body) -> Iterator[Refusal]:
    url = lookup(inputs, "activeKey.keyUrl")
    if url is None:
        if not given(inputs, "activeKey.keyUrl"):
            yield Refusal("activeKey.keyUrl", INVALID, "missing; the URL of a key with its version")
        return
    match = KEY_URI.fullmatch(url)
    if match is None or urlsplit(url).scheme != "https":
        yield Refusal("activeKey.keyUrl", INVALID, f"'{url}' is no URL of a key")
    elif match["version"] is None:
        # The SDK's own words: "Version segment of the Url is required regardless of
        # rotationToLatestKeyVersionEnabled value."
        yield Refusal(
            "activeKey.keyUrl",
            INVALID,
            f"'{url}' names no version. The version segment of the URL is required regardless of"
            " rotationToLatestKeyVersionEnabled: use the key's keyUriWithVersion.",
        )


def _unknown_type(inputs: Body) -> bool:
    return given(inputs, "identity.type") and lookup(inputs, "identity.type") is None


def _identity(inputs: Body) -> str:
    return str(inputs["identity"]["userAssignedIdentities"][0])


def _ask_vault(world: World, inputs: Body, grantee: str | None = None) -> None:
    """Wrap something with the key, as the set's identity, or refuse as Azure does."""
    url, identity = inputs["activeKey"]["keyUrl"], _identity(inputs)
    wanted = url.rsplit("/", 1)[0] if inputs.get("rotationToLatestKeyVersionEnabled") else url
    try:
        world.wrap(identity, wanted, b"")
    except KeyUnavailable as error:
        who = grantee or f"user-assigned identity '{identity}'"
        raise ArmError(
            400,
            "KeyVaultAccessForbidden",
            f"Unable to access key vault resource '{url}' to enable encryption at rest. Please"
            f" grant get, wrap and unwrap key permissions to {who}. Please visit"
            f" https://aka.ms/keyvaultaccessssecmk for more information. ({error.code}:"
            f" {error.message})",
        ) from error


def same_region(world: World, set_id: str, location: str) -> bool:
    """Return whether a set lies where its disks shall be."""
    return region_of(str(world.require(set_id).outputs.get("location"))) == region_of(location)
