"""User-assigned identities: a principal in the directory, and the same one until deleted."""

import uuid
from collections.abc import Iterator

from local.cloud.arm import Body, Record, Refusal, ResourceType
from local.cloud.resources.names import name_rule
from local.cloud.world import IDENTITY, World


class UserAssignedIdentity(ResourceType):
    """``Microsoft.ManagedIdentity/userAssignedIdentities``."""

    token = "azure-native:managedidentity:UserAssignedIdentity"
    type = IDENTITY
    api_version = "2023-01-31"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{resourceName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a name that Azure would."""
        yield from name_rule(
            inputs,
            "resourceName",
            r"[A-Za-z0-9][\w-]{2,127}",
            "3-128 letters, digits, '-' and '_', beginning with a letter or digit",
        )

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make a new principal: one of the same name has never the same id."""
        return {
            **self.echo(arm_id, inputs),
            "principalId": str(uuid.uuid4()),
            "clientId": str(uuid.uuid4()),
            "tenantId": world.client.tenant_id,
        }

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Change tags; the principal stays."""
        kept = {key: record.outputs[key] for key in ("principalId", "clientId", "tenantId")}
        return {**self.echo(record.arm_id, inputs), **kept}
