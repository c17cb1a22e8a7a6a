"""The real stack files, and copies of them with one value changed."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stacks.settings import Configuration, StackSettings, validate

ROOT = Path(__file__).parent.parent.parent
STACKS = ("dev", "test", "uat", "prod")
AZURE = {
    "location": "azure-native:location",
    "subscription_id": "azure-native:subscriptionId",
    "tenant_id": "azure-native:tenantId",
}
REMOVED = object()
"""Stands for «take this key out»."""


def config_of(stack: str) -> dict[str, Any]:
    """The ``config`` of a stack file."""
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    return config


def changed(stack: str, changes: Mapping[str, object]) -> dict[str, Any]:
    """A stack's config with some values replaced; a path's keys are separated by dots."""
    config = copy.deepcopy(config_of(stack))
    for path, value in changes.items():
        if path.startswith("azure-native:"):
            place, last = config, path
        else:
            *parents, last = path.split(".")
            place = config["engram:settings"]
            for key in parents:
                place = place[key]
        if value is REMOVED:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return config


def judged(
    stack: str,
    config: Mapping[str, Any],
    *,
    has_password: bool = False,
    has_kubeconfig: bool = False,
    is_secret: bool = True,
) -> StackSettings:
    """Validate a config as the loader does."""
    azure = {name: config.get(key) for name, key in AZURE.items()}
    given = {"postgresAdminPassword": has_password, "kubeconfig": has_kubeconfig}
    secrets = {key: is_secret for key, has in given.items() if has}
    return validate(stack, config.get("engram:settings"), azure, secrets=secrets)


def settings_of(stack: str, changes: Mapping[str, object] | None = None) -> StackSettings:
    """The settings of a stack file, with some values replaced."""
    return judged(stack, changed(stack, changes or {}))


def configuration_of(stack: str, changes: Mapping[str, object] | None = None) -> Configuration:
    """What the program gets for a stack whose server is its own."""
    return Configuration(settings=settings_of(stack, changes), existing_admin_password=None)
