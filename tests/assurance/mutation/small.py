"""A stack and rules small enough to be read at a glance."""

from collections.abc import Iterator
from typing import Any

from assurance.policies.model import Fault, Resource, Rule, Secret, Severity, Stack

SERVER = "azure:Server"
LOCK = "azure:Lock"


def resource(type_: str = SERVER, name: str = "db", stack: str = "dev", **changes: Any) -> Resource:
    """Return a resource; inputs are given by ``raw``."""
    return Resource(type=type_, name=name, urn=f"urn:{stack}::{type_}::{name}", **changes)


def rule(name: str, check: Any, *types: str) -> Rule:
    """Return a rule that nobody has registered."""
    return Rule(
        name=name,
        title=name,
        severity=Severity.HIGH,
        remediation="mend it",
        ai_rmf=(),
        types=types,
        check=check,
    )


def _encrypted(server: Resource) -> Iterator[str]:
    if server.get("key.type") != "own":
        yield "not encrypted with an own key"


def _kept(server: Resource) -> Iterator[str]:
    if server.get("days", 0) < 7:
        yield "not kept for a week"


def _closed(server: Resource) -> Iterator[str]:
    if server.get("privileged"):
        yield "privileged"


def _locked(stack: Stack) -> Iterator[Fault]:
    locked = {lock.get("scope") for lock in stack.of_type(LOCK)}
    for server in stack.of_type(SERVER):
        if server.get("id") not in locked or not server.protect:
            yield server, "not locked"


def _covered(stack: Stack) -> Iterator[Fault]:
    for found in stack.resources:
        if "password" in found.raw and not isinstance(found.raw["password"], Secret):
            yield found, "a password in clear"


ENCRYPTED = rule("encrypted", _encrypted, SERVER)
KEPT = rule("kept", _kept, SERVER)
CLOSED = rule("closed", _closed, SERVER)
LOCKED = rule("locked", _locked)
COVERED = rule("covered", _covered)
RULES = (ENCRYPTED, KEPT, CLOSED, LOCKED, COVERED)


def small_stack(environment: str = "dev", **changes: Any) -> Stack:
    """Return a server that obeys all rules, and its lock; some inputs may be others."""
    inputs = {
        "id": "one",
        "key": {"type": "own"},
        "days": 7,
        "password": Secret("canary"),
        "size": 4,
    }
    server = resource(stack=environment, raw={**inputs, **changes}, protect=True)
    lock = resource(LOCK, "lock", environment, raw={"scope": "one"})
    return Stack((server, lock), environment)
