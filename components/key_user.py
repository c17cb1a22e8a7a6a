"""An identity that may use one key, and that Azure already knows everywhere."""

from dataclasses import dataclass

import pulumi

from components.grants import Grant, Role, make_identity, wait_for
from components.placement import Placement


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
        child = pulumi.ResourceOptions(parent=self)
        identity = make_identity(name, args.placement, child)
        granted = Grant(
            role=Role.ENCRYPTION_USER,
            to=identity,
            scope=args.key_id,
            subscription_id=args.subscription_id,
        ).declare(f"{name}-key-grant", child)
        self.identity_id = identity.id
        self.ready: pulumi.Resource = wait_for(
            f"{name}-key-grant-known", [granted], args.wait_seconds, child
        )
        """What a consumer of the key depends on."""
        self.register_outputs({"identity_id": self.identity_id})
