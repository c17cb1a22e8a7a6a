"""Where a stack keeps its secrets: one vault, one form of names, one date of expiry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pulumi
import pulumi_random as random
from pulumi_azure_native import keyvault

from components.key_vault import VaultReference

LENGTH = 32
"""Letters and digits: 190 bits, and no character that a URL or a file of users would mangle."""


@dataclass(frozen=True, kw_only=True)
class VaultSecret:
    """A secret of a vault, whoever put it there."""

    name: pulumi.Input[str]
    id: pulumi.Input[str]
    """ARM id: the scope of a grant."""


def named_secret(vault: VaultReference, name: str) -> VaultSecret:
    """Refer to a secret that the customer keeps in the vault; nothing is declared."""
    arm_id = pulumi.Output.from_input(vault.id).apply(lambda found: f"{found}/secrets/{name}")
    return VaultSecret(name=name, id=arm_id)


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a secret is called, and what it says of itself."""

    key: str
    """Last part of its name."""
    says: str
    """Content type: read by whoever looks into the vault."""
    ignored: Sequence[str] = ()
    """Inputs that are used when it is made, and never again."""


@dataclass(frozen=True, kw_only=True)
class SecretShelf:
    """A stack's place in a vault, which it may share with others."""

    stack: str
    vault: VaultReference
    vault_resource: pulumi.Resource | None
    """The vault, where it is ours: with it, its secrets go."""
    suffix: pulumi.Input[str]
    """Tells our secrets apart from those of other stacks, and from soft-deleted ones of ours."""
    renewed_on: date
    valid_days: int
    tags: dict[str, str]

    @property
    def keepers(self) -> dict[str, str]:
        """Return what makes a generated value anew: another date of renewal."""
        return {"renewed_on": self.renewed_on.isoformat()}

    def keep(
        self,
        name: str,
        value: pulumi.Input[str],
        content: Content,
        opts: pulumi.ResourceOptions,
    ) -> VaultSecret:
        """Declare the resource ``name``, which holds a value in the vault."""
        ours = pulumi.ResourceOptions(
            additional_secret_outputs=["properties"],
            deleted_with=self.vault_resource,
            ignore_changes=list(content.ignored),
        )
        kept = keyvault.Secret(
            name,
            resource_group_name=self.vault.resource_group_name,
            vault_name=self.vault.name,
            secret_name=pulumi.Output.from_input(self.suffix).apply(
                lambda suffix: secret_name(self.stack, suffix, content.key)
            ),
            properties=keyvault.SecretPropertiesArgs(
                value=pulumi.Output.secret(value),
                content_type=content.says,
                attributes=keyvault.SecretAttributesArgs(
                    enabled=True, expires=expiry(self.renewed_on, self.valid_days)
                ),
            ),
            tags=self.tags,
            opts=pulumi.ResourceOptions.merge(opts, ours),
        )
        return VaultSecret(name=kept.name, id=kept.id)


def generate(
    name: str, keepers: Mapping[str, str], opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Declare a random password, and return it as a secret; other keepers make another one."""
    generated = random.RandomPassword(
        name,
        length=LENGTH,
        special=False,
        min_lower=1,
        min_upper=1,
        min_numeric=1,
        keepers=dict(keepers) or None,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(additional_secret_outputs=["result"])
        ),
    )
    result: pulumi.Output[str] = pulumi.Output.secret(generated.result)
    return result


def secret_name(stack: str, suffix: str, key: str) -> str:
    """Return where a secret is kept; a vault may be shared by many stacks."""
    return f"{stack}-{suffix}-{key.replace('_', '-')}"


def expiry(renewed_on: date, valid_days: int) -> int:
    """Return the expiry in seconds since 1970.

    It is counted from a date of the settings, not from the clock: a preview tomorrow shows
    what it shows today.
    """
    day = renewed_on + timedelta(days=valid_days)
    return int(datetime.combine(day, time(), UTC).timestamp())
