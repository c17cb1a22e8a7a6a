"""Generated passwords of database logins, each kept in the vault with an expiry date.

Nobody chooses, types or reads them: they go from the generator to the vault and to the
database, and are secrets all the way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pulumi
import pulumi_random as random
from pulumi_azure_native import keyvault

from components.key_vault import VaultReference

LENGTH = 32
"""Letters and digits: 190 bits, and no character that a connection string would mangle."""


@dataclass(frozen=True, kw_only=True)
class PasswordsArgs:
    """What a caller decides."""

    vault: VaultReference
    vault_resource: pulumi.Resource | None
    """The vault, where it is ours: with it, its secrets go."""
    suffix: pulumi.Input[str]
    """Tells our secrets apart from those of other stacks, and from soft-deleted ones of ours."""
    logins: Iterable[str]
    renewed_on: date
    """Another date makes other passwords."""
    valid_days: int
    tags: dict[str, str]


class Passwords(pulumi.ComponentResource):
    """One password a login."""

    by_login: dict[str, pulumi.Output[str]]
    """Secret outputs."""

    def __init__(
        self, name: str, args: PasswordsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:Passwords", name, {}, opts)
        self.by_login = {login: self._password(name, login, args) for login in args.logins}
        self.register_outputs({})

    def _password(self, name: str, login: str, args: PasswordsArgs) -> pulumi.Output[str]:
        label = f"{name}-{login.replace('_', '-')}"
        generated = random.RandomPassword(
            f"{label}-password",
            length=LENGTH,
            special=False,
            min_lower=1,
            min_upper=1,
            min_numeric=1,
            keepers={"renewed_on": args.renewed_on.isoformat()},
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["result"]),
        )
        password: pulumi.Output[str] = pulumi.Output.secret(generated.result)
        self._secret(name, label, login, password, args)
        return password

    def _secret(
        self, name: str, label: str, login: str, password: pulumi.Output[str], args: PasswordsArgs
    ) -> keyvault.Secret:
        return keyvault.Secret(
            f"{label}-secret",
            resource_group_name=args.vault.resource_group_name,
            vault_name=args.vault.name,
            secret_name=pulumi.Output.from_input(args.suffix).apply(
                lambda suffix: secret_name(name, suffix, login)
            ),
            properties=keyvault.SecretPropertiesArgs(
                value=password,
                content_type=f"PostgreSQL password of {login}",
                attributes=keyvault.SecretAttributesArgs(
                    enabled=True, expires=expiry(args.renewed_on, args.valid_days)
                ),
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                additional_secret_outputs=["properties"],
                deleted_with=args.vault_resource,
            ),
        )


def secret_name(stack: str, suffix: str, login: str) -> str:
    """Return where a password is kept; a vault may be shared by many stacks."""
    return f"{stack}-{suffix}-{login.replace('_', '-')}"


def expiry(renewed_on: date, valid_days: int) -> int:
    """Return the expiry in seconds since 1970.

    It is counted from a date of the settings, not from the clock: a preview tomorrow shows
    what it shows today.
    """
    day = renewed_on + timedelta(days=valid_days)
    return int(datetime.combine(day, time(), UTC).timestamp())
