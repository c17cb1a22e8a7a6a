"""A vault of our own, and in it the key that encrypts the database.

A key that is lost is a database that is lost, so everything here can be recovered for weeks,
by Azure's rules as well as by ours.
"""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import keyvault

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


def existing_key(vault_id: str, key_name: str) -> tuple[VaultReference, KeyReference]:
    """Refer to a customer's vault and key by the vault's ARM id; nothing is declared."""
    _, _, _, _, group, *_, name = vault_id.split("/")
    uri = f"https://{name.lower()}.vault.azure.net/"
    return (
        VaultReference(id=vault_id, name=name, uri=uri, resource_group_name=group),
        KeyReference(id=f"{vault_id}/keys/{key_name}", name=key_name, uri=f"{uri}keys/{key_name}"),
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
    entrance: Entrance
    protected: bool


class KeyVault(pulumi.ComponentResource):
    """A private, recoverable, audited vault, and a key in it that renews itself."""

    vault: VaultReference
    key: KeyReference

    def __init__(
        self, name: str, args: KeyVaultArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:KeyVault", name, {}, opts)
        vault = self._vault(name, args)
        key = self._key(name, args, vault)
        self._endpoint(name, args, vault)
        self._diagnostics(name, args, vault)
        if args.protected:
            self._lock(name, vault)
        self.resource: pulumi.Resource = vault
        """What goes when the vault goes: the keys and secrets in it."""
        self.vault = _vault_reference(args, vault)
        self.key = KeyReference(id=key.id, name=key.name, uri=key.key_uri)
        self.register_outputs({"vault_id": vault.id, "key_uri": key.key_uri})

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

    def _key(self, name: str, args: KeyVaultArgs, vault: keyvault.Vault) -> keyvault.Key:
        types = keyvault.JsonWebKeyType
        operations = keyvault.JsonWebKeyOperation
        return keyvault.Key(
            f"{name}-key",
            resource_group_name=args.placement.resource_group_name,
            vault_name=vault.name,
            key_name=azure_name(Kind.KEY, name),
            properties=keyvault.KeyPropertiesArgs(
                kty=types.RS_A_HSM if args.hsm_backed else types.RSA,
                key_size=KEY_BITS,
                key_ops=[operations.WRAP_KEY, operations.UNWRAP_KEY],
                rotation_policy=_rotation_policy(args.rotation),
            ),
            tags=args.placement.tags,
            # A key is deleted on the vault's data plane, which only its network reaches; with
            # the vault it goes, and comes back, in one piece.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protected, deleted_with=vault),
        )

    def _endpoint(self, name: str, args: KeyVaultArgs, vault: keyvault.Vault) -> PrivateEndpoint:
        return PrivateEndpoint(
            f"{name}-vault",
            PrivateEndpointArgs(
                service=PrivateService.KEY_VAULT, target_id=vault.id, entrance=args.entrance
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _diagnostics(self, name: str, args: KeyVaultArgs, vault: keyvault.Vault) -> None:
        send_logs(
            f"{name}-vault-logs",
            of=vault.id,
            to=args.workspace_id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _lock(self, name: str, vault: keyvault.Vault) -> None:
        forbid_delete(f"{name}-vault-lock", vault.id, pulumi.ResourceOptions(parent=self))


def _vault_reference(args: KeyVaultArgs, vault: keyvault.Vault) -> VaultReference:
    return VaultReference(
        id=vault.id,
        name=vault.name,
        # Not the output vaultUri, which a preview of any change to the vault would not know.
        uri=vault.name.apply(lambda name: f"https://{name}.vault.azure.net/"),
        resource_group_name=args.placement.resource_group_name,
    )


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
