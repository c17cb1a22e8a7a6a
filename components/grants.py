"""Identities, what they are granted, and the wait until Azure knows it everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import authorization, managedidentity

from components.naming import Kind, assignment_name, azure_name
from components.placement import Placement
from components.propagation import Propagation


class Role(Enum):
    """A built-in role of Azure: the least that does what we need.

    https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
    """

    ENCRYPTION_USER = "e147488a-f6f5-4113-8e2d-b22465e65bf6"
    """Key Vault Crypto Service Encryption User: wrap, unwrap and read a key; nothing else."""
    SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
    """Key Vault Secrets User: read a secret's value."""
    SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
    """Key Vault Secrets Officer: read, write, delete; Azure has no smaller role that writes."""
    NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    """Network Contributor: join a subnet; Azure has no smaller role for AKS."""
    READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    """Reader."""
    ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    """AcrPull: pull images of a registry."""

    def id(self, subscription_id: str) -> str:
        """Return the role's ARM id as a subscription sees it."""
        return (
            f"/subscriptions/{subscription_id}"
            f"/providers/Microsoft.Authorization/roleDefinitions/{self.value}"
        )


def make_identity(
    name: str, placement: Placement, opts: pulumi.ResourceOptions
) -> managedidentity.UserAssignedIdentity:
    """Declare the identity ``<name>-identity``."""
    return managedidentity.UserAssignedIdentity(
        f"{name}-identity",
        resource_group_name=placement.resource_group_name,
        resource_name_=azure_name(Kind.IDENTITY, name),
        location=placement.location,
        tags=placement.tags,
        # A preview of an update does not know the principal, and would replace the grant:
        # tags are not worth it.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["tags"])),
    )


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An identity that Azure made beside something of ours."""

    principal_id: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One role, for one identity, on one resource."""

    role: Role
    to: managedidentity.UserAssignedIdentity | Principal
    scope: pulumi.Input[str]
    subscription_id: str

    def declare(self, name: str, opts: pulumi.ResourceOptions) -> authorization.RoleAssignment:
        """Declare the role assignment ``name``; the same grant has the same name in Azure."""
        role_id = self.role.id(self.subscription_id)
        guid = pulumi.Output.all(self.scope, self.to.principal_id).apply(
            lambda known: assignment_name(known[0], known[1], role_id)
        )
        return authorization.RoleAssignment(
            name,
            role_assignment_name=guid,
            scope=self.scope,
            principal_id=self.to.principal_id,
            # Naming the type spares Azure a directory look-up that fails for an identity
            # created a moment ago.
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=role_id,
            opts=opts,
        )


def wait_for(
    name: str,
    grants: Sequence[authorization.RoleAssignment],
    wait_seconds: int,
    opts: pulumi.ResourceOptions,
) -> Propagation:
    """Declare the wait until the youngest of some grants is known everywhere."""
    return Propagation(
        name,
        grant_id=pulumi.Output.all(*(made.id for made in grants)).apply("|".join),
        granted_at=pulumi.Output.all(*(made.created_on for made in grants)).apply(max),
        wait_seconds=wait_seconds,
        opts=opts,
    )
