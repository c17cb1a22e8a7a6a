"""An identity that may use one key, and that Azure already knows everywhere."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity

from components.naming import Kind, assignment_name, azure_name
from components.placement import Placement
from components.propagation import Propagation

# Key Vault Crypto Service Encryption User: wrap, unwrap and read; nothing else.
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/security
ENCRYPTION_USER_ROLE = "e147488a-f6f5-4113-8e2d-b22465e65bf6"


@dataclass(frozen=True, kw_only=True)
class KeyUserArgs:
    """What a caller decides."""

    placement: Placement
    subscription_id: str
    key_id: pulumi.Input[str]
    """ARM id of the key: the grant reaches this key, and no other of its vault."""
    wait_seconds: int


class KeyUser(pulumi.ComponentResource):
    """Identity, grant and wait, in the order in which a consumer of the key needs them."""

    identity_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: KeyUserArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:KeyUser", name, {}, opts)
        identity = self._identity(name, args)
        grant = self._grant(name, args, identity)
        self.identity_id = identity.id
        self.ready: pulumi.Resource = self._wait(name, args, grant)
        """What a consumer of the key depends on."""
        self.register_outputs({"identity_id": self.identity_id})

    def _identity(self, name: str, args: KeyUserArgs) -> managedidentity.UserAssignedIdentity:
        return managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_group_name=args.placement.resource_group_name,
            resource_name_=azure_name(Kind.IDENTITY, name),
            location=args.placement.location,
            tags=args.placement.tags,
            # A preview of an update does not know the principal, and would replace the grant:
            # tags are not worth it.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["tags"]),
        )

    def _grant(
        self, name: str, args: KeyUserArgs, identity: managedidentity.UserAssignedIdentity
    ) -> authorization.RoleAssignment:
        role = (
            f"/subscriptions/{args.subscription_id}"
            f"/providers/Microsoft.Authorization/roleDefinitions/{ENCRYPTION_USER_ROLE}"
        )
        guid = pulumi.Output.all(args.key_id, identity.principal_id).apply(
            lambda known: assignment_name(known[0], known[1], role)
        )
        return authorization.RoleAssignment(
            f"{name}-key-grant",
            role_assignment_name=guid,
            scope=args.key_id,
            principal_id=identity.principal_id,
            # Naming the type spares Azure a directory look-up that fails for an identity
            # created a moment ago.
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=role,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _wait(
        self, name: str, args: KeyUserArgs, grant: authorization.RoleAssignment
    ) -> Propagation:
        return Propagation(
            f"{name}-key-grant-known",
            grant_id=grant.id,
            granted_at=grant.created_on,
            wait_seconds=args.wait_seconds,
            opts=pulumi.ResourceOptions(parent=self),
        )
