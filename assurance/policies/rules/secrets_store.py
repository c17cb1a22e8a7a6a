"""Secrets in the cluster: fetched from a vault of the stack by the pod that needs them."""

import re
from collections.abc import Iterator

from assurance.policies import azure
from assurance.policies.kubernetes import CONFIG_MAP, SECRET, SECRET_CLASS
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be, must_have, shown, unlike

BORROWED = ("usePodIdentity", "useVMManagedIdentity")
"""Ways to be somebody else in the vault: the node, or what once was pod identity."""
CLEAR = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    # A word for a secret, and a literal behind it on the same line: neither a template, nor a file,
    # an address, a switch or a number.
    r"|(?im:(?:^|[\s{,\"'])[\w.-]*(?:password|passwd|secret|token|api[_-]?key)[\w.-]*[\"']?"
    r"[ \t]*[:=][ \t]*[\"']?"
    r"(?![{$/\[<]|https?:|(?:true|false|none|null|\d+)\b)[^\s\"']{4,})"
)


@resource_rule(
    SECRET_CLASS,
    name="secret-class-own-identity",
    title="A pod fetches its secrets as itself",
    severity=Severity.HIGH,
    remediation="Set clientID to the identity of the pod's service account.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6", "IA-9"),
)
def own_identity(found: Resource) -> Iterator[str]:
    """As the node, it would read what any pod of the node may read."""
    yield from must_be(found.inputs, "spec.provider", "azure")
    for borrowed in BORROWED:
        yield from must_be(found.inputs, f"spec.parameters.{borrowed}", None, "false")
    yield from must_have(found.inputs, "spec.parameters.clientID", what="an identity's client id")


@stack_rule(
    name="secret-class-own-vault",
    title="Secrets come from a vault that holds secrets of the stack",
    severity=Severity.HIGH,
    remediation="Set keyvaultName to the stack's vault.",
    ai_rmf=("MEASURE 2.7", "MAP 4.1"),
    sp800_53=("AC-4",),
)
def own_vault(stack: Stack) -> Iterator[Fault]:
    """Another stack's vault has another stack's passwords."""
    vaults = {secret.get("vaultName") for secret in stack.of_type(azure.SECRET)}
    for found in stack.of_type(SECRET_CLASS):
        vault = found.get("spec.parameters.keyvaultName")
        if vault not in vaults:
            allowed = " or ".join(map(shown, vaults)) or "a vault of the stack"
            yield found, unlike("spec.parameters.keyvaultName", vault, allowed)


@resource_rule(
    SECRET,
    name="secret-from-vault",
    title="No Secret is declared; the vault has them all",
    severity=Severity.HIGH,
    remediation="Put it into the vault, and name it in a SecretProviderClass.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("IA-5", "SC-28"),
)
def from_vault(_: Resource) -> Iterator[str]:
    """A Secret is neither rotated, nor logged when it is read."""
    yield "it is a Secret of the cluster; allowed: secrets of the vault"


@resource_rule(
    CONFIG_MAP,
    name="secret-not-in-config-map",
    title="No ConfigMap holds a secret",
    severity=Severity.CRITICAL,
    remediation="Put it into the vault; a configuration may name the file or the variable.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("IA-5", "SC-28"),
    trivy=("KSV-0109", "KSV-01010"),
)
def not_in_config_map(found: Resource) -> Iterator[str]:
    """Everybody of the namespace reads a ConfigMap."""
    for key, text in (found.get("data") or {}).items():
        if CLEAR.search(f"{key}: {text}"):
            yield f"data.{key} looks like a secret in clear; allowed: the name of a file"
