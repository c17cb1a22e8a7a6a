"""What was seen of one deployment: plain data, so that the same truths give the same evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assurance.errors import AssuranceError
from assurance.policies.model import Resource, Stack
from assurance.policies.state import environment_of, resources

Facts = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something in which the deployment differs from the program."""

    action: str
    """What ``up`` would do about it, as ``update``."""
    urn: str

    @property
    def creates(self) -> bool:
        """Whether it is declared, and not there."""
        return self.action == "create"

    @property
    def resource(self) -> str:
        """Its type and name."""
        typ, _, name = self.urn.rpartition("::")
        return f"{typ.rpartition('$')[2].rpartition('::')[2]} {name}"


@dataclass(frozen=True, kw_only=True)
class Truths:
    """Everything that an assessment is made of; ``None`` is what nobody looked at."""

    declared: Stack
    deployed: Stack
    changes: tuple[Change, ...] = ()
    database: Facts | None = None
    """See ``sql.read``."""
    cluster: Facts | None = None
    """See ``namespace.read``."""
    key_versions: tuple[Facts, ...] | None = None
    """As ``az keyvault key list-versions`` prints them."""
    key_access: tuple[Facts, ...] | None = None
    """As a query of the table AZKVAuditLogs answers."""

    @property
    def environment(self) -> str:
        """The stack's name."""
        return self.declared.environment

    def absent(self) -> list[Resource]:
        """Return what is declared, and was not found."""
        there = {found.urn for found in self.deployed.resources}
        ids = {found.id for found in self.deployed.resources} - {""}
        return [
            wanted
            for wanted in self.declared.resources
            if wanted.urn not in there and wanted.id not in ids
        ]


def of_preview(preview: Mapping[str, Any]) -> tuple[Stack, Stack, tuple[Change, ...]]:
    """Return what is declared, what is deployed, and in what they differ.

    ``preview`` is what ``pulumi preview --refresh --show-sames --json`` wrote: its steps say what
    the refresh found (the old state) and what the program asks for (the new one). Raises
    ``AssuranceError`` for anything else, and for a preview that failed: it does not tell all.
    """
    failed = [each for each in preview.get("diagnostics") or () if each["severity"] == "error"]
    if failed:
        raise AssuranceError(
            "this preview failed, so it does not tell all; repair what it says, and repeat it:\n"
            + "\n".join(each["message"].strip() for each in failed)
        )
    steps = [step for step in preview.get("steps") or () if step["op"] != "refresh"]
    refreshed = len(preview.get("steps") or ()) > len(steps)
    if not refreshed or not any(step["op"] == "same" for step in steps):
        raise AssuranceError(
            "this is no preview with a refresh; give what "
            "`pulumi preview --refresh --show-sames --json` writes"
        )
    return _stack(steps, "newState"), _stack(steps, "oldState"), tuple(_changes(steps))


def _stack(steps: list[Mapping[str, Any]], side: str) -> Stack:
    """Return one side of the steps; a replacement has several, which say the same."""
    states = {step["urn"]: step[side] for step in steps if step.get(side)}
    found = resources({"deployment": {"resources": list(states.values())}})
    return Stack(resources=found, environment=environment_of(steps[0]["urn"]))


def _changes(steps: list[Mapping[str, Any]]) -> Iterator[Change]:
    actions: dict[str, str] = {}
    for step in steps:
        if step["op"] != "same":
            actions.setdefault(step["urn"], step["op"])
    yield from (Change(action=action, urn=urn) for urn, action in sorted(actions.items()))
