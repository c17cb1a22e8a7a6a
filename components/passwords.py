"""Generated passwords of database logins, each kept in the vault with an expiry date.

Nobody chooses, types or reads them: they go from the generator to the vault and to the
database, and are secrets all the way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import pulumi

from components.key_vault import VaultReference
from components.secret_shelf import Content, SecretShelf, VaultSecret, generate


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

    def shelf(self, stack: str) -> SecretShelf:
        """Return where they are kept."""
        return SecretShelf(
            stack=stack,
            vault=self.vault,
            vault_resource=self.vault_resource,
            suffix=self.suffix,
            renewed_on=self.renewed_on,
            valid_days=self.valid_days,
            tags=self.tags,
        )


class Passwords(pulumi.ComponentResource):
    """One password a login."""

    by_login: dict[str, pulumi.Output[str]]
    """Secret outputs."""
    secrets: dict[str, VaultSecret]
    """By login: where the vault keeps it."""
    shelf: SecretShelf
    """Where all of them are, and room for more."""

    def __init__(
        self, name: str, args: PasswordsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:Passwords", name, {}, opts)
        self.shelf = args.shelf(name)
        self.by_login = {}
        self.secrets = {}
        for login in args.logins:
            self._password(name, login)
        self.register_outputs({})

    def _password(self, name: str, login: str) -> None:
        child = pulumi.ResourceOptions(parent=self)
        label = f"{name}-{login.replace('_', '-')}"
        password = generate(f"{label}-password", self.shelf.keepers, child)
        content = Content(key=login, says=f"PostgreSQL password of {login}")
        self.by_login[login] = password
        self.secrets[login] = self.shelf.keep(f"{label}-secret", password, content, child)
