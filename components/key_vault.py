"""A vault of our own, and in it the keys that encrypt the database, the disks, and single fields.

A key that is lost is a database that is lost, so everything here can be recovered for weeks,
by Azure's rules as well as by ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault, monitor

from components.alerts import VAULT, MetricAlerts, MetricAlertsArgs
from components.diagnostics import send_logs
from components.lock import forbid_delete
from components.naming import Kind, azure_name, unique_name
from components.placement import Placement
from components.private_endpoint import (
    Entrance,
    PrivateEndpoint,
    PrivateEndpointArgs,
    PrivateService,
)

KEY_BITS = 3072
"""NIST SP 800-57: good beyond 2030.  Azure takes 2048, 3072 and 4096 for encryption."""


@dataclass(frozen=True, kw_only=True)
class VaultReference:
    """A vault, whoever made it."""

    id: pulumi.Input[str]
    name: pulumi.Input[str]
    uri: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class KeyReference:
    """A key, whoever made it."""

    id: pulumi.Input[str]
    """ARM id: the scope of a grant."""
    name: pulumi.Input[str]
    uri: pulumi.Input[str]
    """Without a version, so that a rotation needs no deployment."""


@dataclass(frozen=True, kw_only=True)
class VersionedKey:
    """A key as a disk encryption set asks for it: with a version, which is only its first one."""

    id: pulumi.Input[str]
    """ARM id: the scope of a grant."""
    uri: pulumi.Input[str]


def existing_versioned_key(vault_id: str, key_name: str) -> VersionedKey:
    """Refer to a customer's key and its newest version, which Azure is asked for."""
    _, _, _, _, group, *_, vault_name = vault_id.split("/")
    found = keyvault.get_key_output(
        resource_group_name=group, vault_name=vault_name, key_name=key_name
    )
    return VersionedKey(id=f"{vault_id}/keys/{key_name}", uri=found.key_uri_with_version)


def existing_key(vault_id: str, key_name: str) -> tuple[VaultReference, KeyReference]:
    """Refer to a customer's vault and key by the vault's ARM id; nothing is declared."""
    _, _, _, _, group, *_, name = vault_id.split("/")
    uri = _vault_uri(name)
    return (
        VaultReference(id=vault_id, name=name, uri=uri, resource_group_name=group),
        KeyReference(id=f"{vault_id}/keys/{key_name}", name=key_name, uri=_key_uri(uri, key_name)),
    )


@dataclass(frozen=True, kw_only=True)
class KeyRotation:
    """Life of one version of the key, in days."""

    rotate_after_days: int
    notify_before_expiry_days: int
    expire_after_days: int


@dataclass(frozen=True, kw_only=True)
class KeyVaultArgs:
    """What a caller decides."""

    placement: Placement
    tenant_id: str
    suffix: pulumi.Input[str]
    soft_delete_retention_days: int
    hsm_backed: bool
    rotation: KeyRotation
    workspace_id: pulumi.Input[str]
    action_group_id: pulumi.Input[str]
    entrance: Entrance
    protected: bool
    disk_key: bool = False
    """Whether it holds a second key, for the disks of a cluster."""
    fields_key: bool = False
    """Whether it holds a key that wraps those of encrypted fields."""


class KeyVault(pulumi.ComponentResource):
    """A private, recoverable, audited vault, and a key in it that renews itself."""

    vault: VaultReference
    key: KeyReference
    disk_key: VersionedKey | None
    """None where none was asked for."""
    fields_key: KeyReference | None
    """Likewise."""

    def __init__(
        self, name: str, args: KeyVaultArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:KeyVault", name, {}, opts)
        self._name = name
        self.resource = self._vault(name, args)
        """With it go the keys and secrets in it."""
        key = self._key(f"{name}-key", azure_name(Kind.KEY, name), args)
        disks = (
            self._key(f"{name}-disk-key", azure_name(Kind.KEY, name, "disks"), args)
            if args.disk_key
            else None
        )
        fields = (
            self._key(f"{name}-fields-key", azure_name(Kind.KEY, name, "fields"), args)
            if args.fields_key
            else None
        )
        self._contents = [
            *(made for made in (key, disks, fields) if made),
            self._endpoint(name, args, self.resource),
            self._diagnostics(name, args, self.resource),
        ]
        MetricAlerts(
            f"{name}-vault",
            MetricAlertsArgs(
                scope=self.resource.id,
                thresholds=VAULT,
                action_group_id=args.action_group_id,
                placement=args.placement,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.vault = _vault_reference(args, self.resource)
        self.key = _key_reference(key, self.resource)
        self.disk_key = VersionedKey(id=disks.id, uri=disks.key_uri_with_version) if disks else None
        self.fields_key = _key_reference(fields, self.resource) if fields else None
        self.register_outputs({"vault_id": self.resource.id, "key_uri": self.key.uri})

    def lock(self, *, after: Sequence[pulumi.Resource]) -> None:
        """Forbid the vault's deletion.

        A lock covers whatever is below the vault, other people's grants on its key included.
        What is made there is given as ``after``: it is deleted only when the lock is gone, or
        Azure refuses (ScopeLocked).
        """
        forbid_delete(
            f"{self._name}-vault-lock",
            self.resource.id,
            pulumi.ResourceOptions(parent=self, depends_on=[*self._contents, *after]),
        )

    def _vault(self, name: str, args: KeyVaultArgs) -> keyvault.Vault:
        return keyvault.Vault(
            f"{name}-vault",
            resource_group_name=args.placement.resource_group_name,
            vault_name=unique_name(Kind.KEY_VAULT, name, args.suffix),
            location=args.placement.location,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=args.tenant_id,
                sku=keyvault.SkuArgs(family=keyvault.SkuFamily.A, name=keyvault.SkuName.PREMIUM),
                # The SDK fills in False, which would mean access policies.
                enable_rbac_authorization=True,
                # Both are what Azure asks of a vault whose key encrypts a database.
                enable_soft_delete=True,
                enable_purge_protection=True,
                soft_delete_retention_in_days=args.soft_delete_retention_days,
                # The SDK fills in "enabled".
                public_network_access="disabled",
                network_acls=keyvault.NetworkRuleSetArgs(
                    # The database service reaches the key as a trusted service of Azure.
                    bypass=keyvault.NetworkRuleBypassOptions.AZURE_SERVICES,
                    default_action=keyvault.NetworkRuleAction.DENY,
                ),
            ),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protected),
        )

    def _key(self, name: str, key_name: str, args: KeyVaultArgs) -> keyvault.Key:
        types = keyvault.JsonWebKeyType
        operations = keyvault.JsonWebKeyOperation
        return keyvault.Key(
            name,
            resource_group_name=args.placement.resource_group_name,
            vault_name=self.resource.name,
            key_name=key_name,
            properties=keyvault.KeyPropertiesArgs(
                kty=types.RS_A_HSM if args.hsm_backed else types.RSA,
                key_size=KEY_BITS,
                key_ops=[operations.WRAP_KEY, operations.UNWRAP_KEY],
                rotation_policy=_rotation_policy(args.rotation),
            ),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protected,
                # Azure Resource Manager makes a key and never changes one: any later write fails
                # with KeyCreationParametersDidNotMatchExistingKey.
                # https://github.com/Azure/bicep/issues/8283
                ignore_changes=["tags", "properties"],
                # A key is deleted on the vault's data plane, which only its network reaches;
                # with the vault it goes, and comes back, in one piece.
                deleted_with=self.resource,
            ),
        )

    def _endpoint(self, name: str, args: KeyVaultArgs, vault: keyvault.Vault) -> PrivateEndpoint:
        return PrivateEndpoint(
            f"{name}-vault",
            PrivateEndpointArgs(
                service=PrivateService.KEY_VAULT, target_id=vault.id, entrance=args.entrance
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _diagnostics(
        self, name: str, args: KeyVaultArgs, vault: keyvault.Vault
    ) -> monitor.DiagnosticSetting:
        return send_logs(
            f"{name}-vault-logs",
            of=vault.id,
            to=args.workspace_id,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _vault_reference(args: KeyVaultArgs, vault: keyvault.Vault) -> VaultReference:
    return VaultReference(
        id=vault.id,
        name=vault.name,
        # Not the output vaultUri, which a preview of any change to the vault would not know.
        uri=vault.name.apply(_vault_uri),
        resource_group_name=args.placement.resource_group_name,
    )


def _key_reference(key: keyvault.Key, vault: keyvault.Vault) -> KeyReference:
    # Not the output keyUri, for the same reason.
    uri = pulumi.Output.all(vault.name, key.name).apply(
        lambda names: _key_uri(_vault_uri(names[0]), names[1])
    )
    return KeyReference(id=key.id, name=key.name, uri=uri)


def _vault_uri(vault_name: str) -> str:
    return f"https://{vault_name.lower()}.vault.azure.net/"


def _key_uri(vault_uri: str, key_name: str) -> str:
    return f"{vault_uri}keys/{key_name}"


def _rotation_policy(rotation: KeyRotation) -> keyvault.RotationPolicyArgs:
    actions = keyvault.KeyRotationPolicyActionType
    return keyvault.RotationPolicyArgs(
        attributes=keyvault.KeyRotationPolicyAttributesArgs(
            expiry_time=f"P{rotation.expire_after_days}D"
        ),
        lifetime_actions=[
            keyvault.LifetimeActionArgs(
                action=keyvault.ActionArgs(type=actions.ROTATE),
                trigger=keyvault.TriggerArgs(time_after_create=f"P{rotation.rotate_after_days}D"),
            ),
            keyvault.LifetimeActionArgs(
                action=keyvault.ActionArgs(type=actions.NOTIFY),
                trigger=keyvault.TriggerArgs(
                    time_before_expiry=f"P{rotation.notify_before_expiry_days}D"
                ),
            ),
        ],
    )
