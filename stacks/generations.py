"""Servers of a stack, one after another: each later one was made of a backup of the one before.

The one before stays declared, so that a way back exists, but nothing of it is changed any more: it
is what the backup was of, whatever the file says of the new one.
"""

import pulumi

from stacks.settings.model import ManagedPostgres
from stacks.settings.restore import generation_name


def present(stack: str, server: ManagedPostgres) -> str:
    """Return the name of the server's component, and of all that is about its data."""
    restore = server.restore_from
    return stack if restore is None else generation_name(stack, restore.generation)


def former(stack: str, server: ManagedPostgres) -> str | None:
    """Return the name of the one before, while it stays."""
    restore = server.restore_from
    if restore is None or not restore.source_stays:
        return None
    return generation_name(stack, restore.generation - 1)


def was_restored(server: ManagedPostgres) -> bool:
    """Tell whether the one before was itself made of a backup, and so declares no databases."""
    return server.restore_from is not None and server.restore_from.generation - 1 > 1


def untouched(opts: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
    """Return options under which a resource, and every child of it, stays as it is."""
    return pulumi.ResourceOptions.merge(
        opts, pulumi.ResourceOptions(transformations=[_left_alone], ignore_changes=["*"])
    )


def _left_alone(
    args: pulumi.ResourceTransformationArgs,
) -> pulumi.ResourceTransformationResult:
    opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(ignore_changes=["*"]))
    return pulumi.ResourceTransformationResult(args.props, opts)
