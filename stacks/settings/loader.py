"""Reads the configuration of the selected stack; the only place that does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pulumi
from pulumi.runtime.config import is_config_secret
from pydantic import ValidationError

from stacks.settings.cautions import cautions
from stacks.settings.cluster import ExistingCluster
from stacks.settings.mistakes import AZURE_KEYS, HIDDEN, Mistake, SettingsError, explain
from stacks.settings.model import ExistingPostgres, StackSettings
from stacks.settings.rules import broken, broken_in_draft
from stacks.settings.shape import draft

PROJECT, PROVIDER = "engram", "azure-native"
ADMIN_PASSWORD = "postgresAdminPassword"  # noqa: S105 - the name of a key, not a password
KUBECONFIG = "kubeconfig"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret that a stack file holds beside its settings, and what calls for it."""

    key: str
    part: str
    """The part of the settings whose kind decides."""
    existing: type
    """The kind that needs the secret."""
    what: str
    command: str


SECRETS = (
    Secret(
        key=ADMIN_PASSWORD,
        part="postgres",
        existing=ExistingPostgres,
        what="the password of an existing server's admin_login",
        command=f"pulumi config set --secret {PROJECT}:{ADMIN_PASSWORD}",
    ),
    Secret(
        key=KUBECONFIG,
        part="cluster",
        existing=ExistingCluster,
        what="the kubeconfig of an existing cluster",
        command=f"pulumi config set --secret {PROJECT}:{KUBECONFIG} < kubeconfig.yaml",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A stack's settings, and beside them the secrets that a stack file can hold."""

    settings: StackSettings
    existing_admin_password: pulumi.Output[str] | None
    """Of an existing server; a server of the stack gets a generated one."""
    existing_kubeconfig: pulumi.Output[str] | None = None
    """Of an existing cluster; one of the stack is asked for its own."""


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
            secrets={
                secret.key: is_config_secret(f"{PROJECT}:{secret.key}")
                for secret in SECRETS
                if config.get(secret.key) is not None
            },
        )
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    for caution in cautions(settings, datetime.now(UTC).date()):
        pulumi.log.warn(caution)
    return Configuration(
        settings=settings,
        existing_admin_password=config.get_secret(ADMIN_PASSWORD),
        existing_kubeconfig=config.get_secret(KUBECONFIG),
    )


def validate(
    stack: str,
    file: object,
    azure: Mapping[str, str | None],
    *,
    secrets: Mapping[str, bool] | None = None,
) -> StackSettings:
    """Return the settings that a stack file and the provider's keys describe.

    ``secrets`` has the keys of ``SECRETS`` that are set, each with whether it is encrypted.
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
    for secret in SECRETS:
        mistakes += _secret_mistakes(secret, settings, secrets or {})
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


def _secret_mistakes(
    secret: Secret, settings: StackSettings, given: Mapping[str, bool]
) -> list[Mistake]:
    key = f"{PROJECT}:{secret.key}"
    existing = isinstance(getattr(settings, secret.part, None), secret.existing)
    if not given.get(secret.key, True):
        remedy = f"set it again with `{secret.command}`"
        return [Mistake(key, HIDDEN, "an encrypted value", remedy)]
    if existing and secret.key not in given:
        return [Mistake(key, "nothing", secret.what, f"set it with `{secret.command}`")]
    if secret.key in given and not existing:
        allowed = f"nothing while {secret.part}.kind is 'managed'"
        return [Mistake(key, HIDDEN, allowed, f"remove it with `pulumi config rm {key}`")]
    return []
