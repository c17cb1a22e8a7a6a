"""What cannot be made again cannot be deleted by mistake."""

from collections.abc import Iterator
from typing import Final

from assurance.policies.azure import DATABASE, KEY, LOCK, SCHEMA, SERVER, VAULT, guards, is_replica
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule

REMEDIATION: Final = "Set protected to true."
ALLOWED: Final = "a lock of level CanNotDelete, or ReadOnly"


@resource_rule(
    SERVER, DATABASE, VAULT, KEY, SCHEMA,
    name="stack-protects-data",
    title="Pulumi refuses to delete what holds data or keys",
    severity=Severity.HIGH,
    remediation=REMEDIATION,
    ai_rmf=("MANAGE 2.4", "GOVERN 1.7"),
    sp800_53=("CP-9", "CM-5"),
)  # fmt: skip
def protects_data(resource: Resource) -> Iterator[str]:
    """A name that changed in a refactoring is a deletion to Pulumi."""
    if not resource.protect and not (resource.type == SERVER and is_replica(resource)):
        yield "protect is false; allowed: true"


def _unlocked(stack: Stack, kind: str) -> Iterator[Fault]:
    for resource in stack.of_type(kind):
        if kind == SERVER and is_replica(resource):
            continue
        if not any(guards(lock, resource) for lock in stack.of_type(LOCK)):
            yield resource, f"nothing keeps Azure from deleting it; allowed: {ALLOWED}"


@stack_rule(
    name="postgres-locked",
    title="Azure refuses to delete a database, whoever asks",
    severity=Severity.HIGH,
    remediation=REMEDIATION,
    ai_rmf=("MANAGE 2.4",),
    sp800_53=("CM-5", "CP-9"),
)
def postgres_locked(stack: Stack) -> Iterator[Fault]:
    """A replica can be made again."""
    yield from _unlocked(stack, SERVER)


@stack_rule(
    name="vault-locked",
    title="Azure refuses to delete a vault, whoever asks",
    severity=Severity.HIGH,
    remediation=REMEDIATION,
    ai_rmf=("MANAGE 2.4",),
    sp800_53=("CM-5", "CP-9"),
)
def vault_locked(stack: Stack) -> Iterator[Fault]:
    """Deleted softly is still a database that stops."""
    yield from _unlocked(stack, VAULT)
