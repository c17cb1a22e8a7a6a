"""Runs a program under Pulumi's mocks, and reads it back as plain data.

Pulumi's own mocks forget order, protection and secrecy; this recorder keeps every request as the
engine would have received it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor
from typing_extensions import override

SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
PASSWORD = "canary-of-a-generated-password"

PENDING_RESTART: set[str] = set()
"""Server parameters whose write waits for a restart."""

ANSWERED: dict[str, dict[str, Any]] = {}
"""By type, what Azure answers otherwise than it was asked."""

NAMED_BY = {
    "azure-native:resources:ResourceGroup": "resourceGroupName",
    "azure-native:keyvault:Vault": "vaultName",
    "azure-native:keyvault:Key": "keyName",
    "azure-native:dbforpostgresql:Server": "serverName",
    "azure-native:network:VirtualNetwork": "virtualNetworkName",
    "azure-native:network:PrivateEndpoint": "privateEndpointName",
    "azure-native:privatedns:PrivateZone": "privateZoneName",
}
"""The input that comes back as the output ``name``."""


@dataclass
class Deployment(Mocks):
    """Accepts every resource, and remembers what was asked for, and how."""

    seen: dict[str, MockResourceArgs] = field(default_factory=dict)
    """By logical name; components are not in it."""
    requests: dict[str, Any] = field(default_factory=dict)
    """The engine's requests, by logical name and type."""

    @override
    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.custom:
            self.seen[args.name] = args
        return f"/mock/{args.name}", {**args.inputs, **_computed(args)}

    @override
    def call(self, args: MockCallArgs) -> Any:
        raise AssertionError(f"the program looked up {args.token}; pass it in instead")

    def all(self, typ: str) -> dict[str, dict[str, Any]]:
        """Inputs of the resources of one type, by logical name."""
        return {name: args.inputs for name, args in self.seen.items() if args.typ == typ}

    def one(self, typ: str) -> dict[str, Any]:
        """Inputs of the only resource of this type."""
        found = self.all(typ)
        assert len(found) == 1, f"{len(found)} of {typ}: {sorted(found)}"
        return next(iter(found.values()))

    def counts(self) -> dict[str, int]:
        """How many resources of each type, components left out."""
        short = Counter(args.typ.removeprefix("azure-native:") for args in self.seen.values())
        return dict(sorted(short.items()))

    def options(self, name: str) -> Any:
        """The request that declared this resource."""
        (request,) = [r for r in self.requests.values() if r.name == name and r.custom]
        return request

    def after(self, name: str) -> set[str]:
        """Everything that this resource waits for, directly or not."""
        waited: set[str] = set()
        queue = [name]
        while queue:
            request = self.options(queue.pop())
            direct = {urn.rsplit("::", 1)[-1] for urn in request.dependencies} - waited
            queue += [n for n in direct if n in self.seen]
            waited |= direct
        return waited

    def below(self, name: str) -> set[str]:
        """Everything whose inputs name this resource, or something below it."""
        found = {name}
        known = _names(self.seen[name])
        for _ in self.seen:
            for other, args in self.seen.items():
                if other not in found and known & set(_clear(args.inputs)):
                    found.add(other)
                    known |= _names(args)
        return found - {name}

    def protected(self) -> set[str]:
        """Logical names of the resources that Pulumi refuses to delete."""
        return {request.name for request in self.requests.values() if request.protect}

    def clear_texts(self) -> Iterator[tuple[str, str]]:
        """Every string outside a secret that went to the engine, with its resource."""
        for request in self.requests.values():
            yield from ((request.name, text) for text in _clear(MessageToDict(request.object)))


class RecordingMonitor(MockMonitor):
    """Pulumi's mocks forget how a resource was asked for; this one notes it."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)
        self.deployment = deployment

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's spelling
        self.deployment.requests[f"{request.type}::{request.name}"] = request
        return super().RegisterResource(request)


def deploy(program: Callable[[], object], *, stack: str = "stack") -> Deployment:
    """Run a program to its end under a fresh recorder."""
    deployment = Deployment()
    with _loops():
        pulumi.runtime.set_mocks(
            deployment,
            project="engram",
            stack=stack,
            preview=False,
            monitor=RecordingMonitor(deployment),
        )
        pulumi.runtime.test(program)()
    return deployment


@contextmanager
def _loops() -> Iterator[None]:
    """Give this thread and the program's workers an event loop each, and close them all.

    Pulumi would make its own, in every worker, and leave them open.
    """
    loops: list[asyncio.AbstractEventLoop] = []

    def open_loop() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    open_loop()
    try:
        with ThreadPoolExecutor(initializer=open_loop) as workers:
            loops[0].set_default_executor(workers)
            yield
    finally:
        for loop in loops:
            loop.close()
        asyncio.set_event_loop(None)


def _names(args: MockResourceArgs) -> set[str]:
    """Return what other resources call this one by."""
    own = args.inputs.get(NAMED_BY.get(args.typ, ""))
    return {f"/mock/{args.name}", *([own] if own else [])}


def _computed(args: MockResourceArgs) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    if args.typ in NAMED_BY:
        outputs["name"] = args.inputs[NAMED_BY[args.typ]]
    match args.typ.rsplit(":", 1)[-1]:
        case "UserAssignedIdentity":
            outputs["principalId"] = f"{args.name}-principal"
        case "RoleAssignment":
            outputs["createdOn"] = "2026-11-01T08:00:00.0000000Z"
        case "Configuration":
            waits = args.inputs["configurationName"] in PENDING_RESTART
            outputs["isConfigPendingRestart"] = waits
        case "RandomString":
            outputs["result"] = "a1b2c"
        case "RandomPassword":
            outputs["result"] = f"{PASSWORD}-{args.name}"
    return {**outputs, **ANSWERED.get(args.typ, {})}


def _clear(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if SECRET_SIGNATURE not in value:
            for inner in value.values():
                yield from _clear(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _clear(inner)
