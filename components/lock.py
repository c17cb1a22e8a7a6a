"""A lock of Azure's own, which also holds where Pulumi's protection does not reach."""

import pulumi
from pulumi_azure_native import authorization

from components.naming import Kind, azure_name


def forbid_delete(
    name: str, scope: pulumi.Input[str], opts: pulumi.ResourceOptions
) -> authorization.ManagementLockByScope:
    """Declare a CanNotDelete lock; a destroy of the stack lifts it first, a human must too.

    ``opts`` makes it depend on everything below the scope, so that it is the first to be deleted.
    """
    return authorization.ManagementLockByScope(
        name,
        lock_name=azure_name(Kind.LOCK, name),
        scope=scope,
        level=authorization.LockLevel.CAN_NOT_DELETE,
        notes="Holds data or keys that cannot be made again. Managed by Pulumi.",
        opts=opts,
    )
