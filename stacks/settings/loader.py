"""Reads the configuration of the selected stack; the only place that does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pulumi
from pulumi.runtime.config import is_config_secret
from pydantic import ValidationError

from stacks.settings.mistakes import AZURE_KEYS, HIDDEN, Mistake, SettingsError, explain
from stacks.settings.model import ExistingPostgres, PasswordSettings, StackSettings
from stacks.settings.rules import broken, broken_in_draft
from stacks.settings.shape import draft

PROJECT, PROVIDER = "engram", "azure-native"
ADMIN_PASSWORD = "postgresAdminPassword"  # noqa: S105 - the name of a key, not a password


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A stack's settings, and beside them the one secret that a stack file can hold."""

    settings: StackSettings
    existing_admin_password: pulumi.Output[str] | None
    """Of an existing server; a server of the stack gets a generated one."""


def load() -> Configuration:
    """Read the selected stack, or end the program with the list of its mistakes.

    Raises ``pulumi.RunError``, which the engine prints without a traceback.
    """
    config, azure = pulumi.Config(PROJECT), pulumi.Config(PROVIDER)
    try:
        settings = validate(
            pulumi.get_stack(),
            config.get_object("settings"),
            {name: azure.get(key.removeprefix(f"{PROVIDER}:")) for name, key in AZURE_KEYS.items()},
            has_password=config.get(ADMIN_PASSWORD) is not None,
            is_secret=is_config_secret(f"{PROJECT}:{ADMIN_PASSWORD}"),
        )
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    _warn_of_expired_passwords(settings.passwords, datetime.now(UTC).date())
    return Configuration(
        settings=settings, existing_admin_password=config.get_secret(ADMIN_PASSWORD)
    )


def _warn_of_expired_passwords(passwords: PasswordSettings, today: date) -> None:
    """Tell, and go on: a file that was right yesterday must not stop a repair today."""
    if passwords.expire_on <= today:
        pulumi.log.warn(
            f"the database passwords expired on {passwords.expire_on};"
            " set passwords.renewed_on to a later date, which renews them all"
        )


def validate(
    stack: str,
    file: object,
    azure: Mapping[str, str | None],
    *,
    has_password: bool = False,
    is_secret: bool = True,
) -> StackSettings:
    """Return the settings that a stack file and the provider's keys describe.

    Raises ``SettingsError`` with every mistake that can be found in one go.
    """
    if not isinstance(file, Mapping):
        missing = Mistake("engram:settings", "nothing", "an object", "start from Pulumi.dev.yaml")
        raise SettingsError(stack, [missing])
    mistakes = _reserved(file)
    raw = {
        **file,
        "environment": stack,
        "azure": {name: value for name, value in azure.items() if value is not None},
    }
    settings, wrong = _judged(raw)
    mistakes += wrong
    mistakes += _password_mistakes(settings, has_password=has_password, is_secret=is_secret)
    if mistakes:
        raise SettingsError(stack, mistakes)
    return settings


def _judged(raw: dict[str, Any]) -> tuple[StackSettings, list[Mistake]]:
    try:
        settings = StackSettings.model_validate(raw)
    except ValidationError as error:
        partial = draft(raw)
        mistakes = [explain(e, raw) for e in error.errors(include_url=False)]
        return partial, mistakes + broken_in_draft(partial)
    return settings, broken(settings)


def _reserved(file: Mapping[str, object]) -> list[Mistake]:
    """Refuse the two parts of the settings that come from elsewhere."""
    sources = {"environment": "the stack's name", "azure": "the keys azure-native:…"}
    return [
        Mistake(key, f"the key {key!r}", f"nothing; it comes from {source}", f"remove {key}")
        for key, source in sources.items()
        if key in file
    ]


def _password_mistakes(
    settings: StackSettings, *, has_password: bool, is_secret: bool
) -> list[Mistake]:
    key = f"{PROJECT}:{ADMIN_PASSWORD}"
    remedy = f"`pulumi config set --secret {key}`"
    existing = isinstance(getattr(settings, "postgres", None), ExistingPostgres)
    if has_password and not is_secret:
        return [Mistake(key, HIDDEN, "an encrypted value", f"set it again with {remedy}")]
    if existing and not has_password:
        allowed = "the password of an existing server's admin_login"
        return [Mistake(key, "nothing", allowed, f"set it with {remedy}")]
    if has_password and not existing:
        allowed = "nothing while postgres.kind is 'managed'"
        return [Mistake(key, HIDDEN, allowed, f"remove it with `pulumi config rm {key}`")]
    return []
