"""Role assignments: who may do what where; immutable, and named by a GUID."""

from collections.abc import Iterator
from datetime import UTC, datetime

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.resources.names import is_guid
from local.cloud.world import IDENTITY, ROLE_ASSIGNMENT, World

DIRECTORY_DELAY_SECONDS = 60.0
"""How long a new identity is missing in the directory's replicas."""
BACKDATED_SECONDS = 600.0
"""A grant holds at once here; dating it back spares the program its wait for replication."""

ROLES = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
    "e147488a-f6f5-4113-8e2d-b22465e65bf6": "Key Vault Crypto Service Encryption User",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    "12338af0-0e69-4776-bea7-57ae8d297424": "Key Vault Crypto User",
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "a4417e6f-fecd-4de8-b567-7b0420556985": "Key Vault Certificates Officer",
    "21090545-7ca7-4776-b22c-e363652d74d2": "Key Vault Reader",
    "a68e7c17-0ab2-4c09-9a58-125dae29748c": "Key Vault Purge Operator",
    "8b54135c-b56d-4d72-a534-26097cfdc8d8": "Key Vault Data Access Administrator",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
    "3498e952-d568-435e-9b2c-8d77e338d7f7": "Azure Kubernetes Service RBAC Admin",
}
"""Built-in roles by GUID; https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""


class RoleAssignment(ResourceType):
    """``Microsoft.Authorization/roleAssignments``."""

    token = "azure-native:authorization:RoleAssignment"
    type = ROLE_ASSIGNMENT
    api_version = "2022-04-01"
    path = "{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}"
    immutable = ("principalId",)
    autoname = "uuid"

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a name or principal that is no GUID, and a role that does not exist."""
        name = lookup(inputs, "roleAssignmentName")
        if name is not None and not is_guid(name):
            yield Refusal(
                "roleAssignmentName",
                "InvalidRoleAssignmentId",
                f"The role assignment ID '{name}' is not valid."
                " The role assignment ID must be a GUID.",
            )
        principal = lookup(inputs, "principalId")
        if principal is not None and not is_guid(principal):
            yield Refusal(
                "principalId",
                "InvalidPrincipalId",
                f"A valid principal ID must be a GUID, not '{principal}'.",
            )
        role = lookup(inputs, "roleDefinitionId")
        if role is not None and str(role).rsplit("/", 1)[-1].lower() not in ROLES:
            yield Refusal(
                "roleDefinitionId",
                "RoleDefinitionDoesNotExist",
                f"The specified role definition with ID '{role}' does not exist."
                f" The local cloud knows {', '.join(ROLES.values())}.",
            )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a change, a duplicate, and a principal the directory does not know yet."""
        if old is not None:
            raise ArmError(
                400,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
        for other in world.of_type(ROLE_ASSIGNMENT):
            if _grant(other.arm_id, other.outputs) == _grant(arm_id, inputs):
                raise ArmError(
                    409,
                    "RoleAssignmentExists",
                    "The role assignment already exists. The ID of the existing role assignment"
                    f" is {other.name.replace('-', '')}.",
                )
        self._admit_principal(world, inputs)

    def _admit_principal(self, world: World, inputs: Body) -> None:
        wanted = str(inputs["principalId"])
        found = next(
            (i for i in world.of_type(IDENTITY) if i.outputs["principalId"] == wanted.lower()), None
        )
        asked = inputs.get("principalType")
        if asked is None and (found is None or _too_new(world, found)):
            raise ArmError(
                400,
                "PrincipalNotFound",
                f"Principal {wanted.replace('-', '')} does not exist in the directory"
                f" {world.client.tenant_id}. Check that you have the correct principal ID. If you"
                " are creating this principal and then immediately assigning a role, this error"
                " might be related to a replication delay. In this case, set the role assignment"
                " principalType property to a value, such as ServicePrincipal, User, or Group.",
            )
        if found is not None and asked not in (None, "ServicePrincipal"):
            raise ArmError(
                400,
                "UnmatchedPrincipalType",
                f"The PrincipalId '{wanted}' has type 'ServicePrincipal', which is different from"
                f" specified PrincipalType '{asked}'.",
            )

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Grant, at once."""
        granted = datetime.fromtimestamp(world.now() - BACKDATED_SECONDS, UTC).isoformat()
        role = str(inputs["roleDefinitionId"]).rsplit("/", 1)[-1]
        subscription = f"/subscriptions/{world.client.subscription_id}"
        definition = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        return {
            "principalType": "ServicePrincipal",
            **self.echo(arm_id, inputs),
            "roleDefinitionId": definition,
            "scope": parent_of(arm_id),
            "createdOn": granted,
            "updatedOn": granted,
        }


def _grant(arm_id: str, body: Body) -> tuple[str, str, str]:
    role = str(body["roleDefinitionId"]).rsplit("/", 1)[-1]
    return (parent_of(arm_id) or "").lower(), str(body["principalId"]).lower(), role.lower()


def _too_new(world: World, identity: Record) -> bool:
    return world.now() - identity.created_at < DIRECTORY_DELAY_SECONDS
