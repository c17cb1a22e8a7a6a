"""Runs a program under Pulumi's mocks, and reads it back as plain data.

Pulumi's own mocks forget order, protection and secrecy; this recorder keeps every request as the
engine would have received it.
"""

import asyncio
import base64
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

ASSIGNED = "userAssignedIdentities"
KUBECONFIG = "canary-of-a-kubeconfig"
CREDENTIALS = "azure-native:containerservice:listManagedClusterUserCredentials"
KEY_LOOK_UP = "azure-native:keyvault:getKey"
ISSUER = "https://issuer.example.test/cluster/"

PUBLIC_PARTS = ("authority", "certificate", "expires")
SECRET_PARTS = ("private_key", "bundle")
"""Of a certificate."""

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
    "azure-native:keyvault:Secret": "secretName",
    "azure-native:managedidentity:UserAssignedIdentity": "resourceName",
    "azure-native:containerservice:ManagedCluster": "resourceName",
}
"""The input that comes back as the output ``name``."""


@dataclass
class Deployment(Mocks):
    """Accepts every resource, and remembers what was asked for, and how."""

    declared: list[MockResourceArgs] = field(default_factory=list)
    """Every resource, in some order; components are not in it."""
    seen: dict[str, MockResourceArgs] = field(default_factory=dict)
    """The same by logical name; of two types that share one, either."""
    requests: dict[str, Any] = field(default_factory=dict)
    """The engine's requests, by logical name and type."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Arguments of the requests for a cluster's credentials."""

    @override
    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.custom:
            self.declared.append(args)
            self.seen[args.name] = args
        return f"/mock/{args.name}", {**args.inputs, **_computed(args)}

    @override
    def call(self, args: MockCallArgs) -> Any:
        if args.token == CREDENTIALS:
            self.asked.append(args.args)
            encoded = base64.b64encode(KUBECONFIG.encode()).decode()
            return {"kubeconfigs": [{"name": "clusterUser", "value": encoded}]}
        if args.token == KEY_LOOK_UP:
            uri = f"https://{args.args['vaultName']}.vault.azure.net/keys/{args.args['keyName']}/1"
            return {"keyUriWithVersion": uri}
        raise AssertionError(f"the program looked up {args.token}; pass it in instead")

    def all(self, typ: str) -> dict[str, dict[str, Any]]:
        """Inputs of the resources of one type, by logical name."""
        return {args.name: args.inputs for args in self.declared if args.typ == typ}

    def one(self, typ: str) -> dict[str, Any]:
        """Inputs of the only resource of this type."""
        found = self.all(typ)
        assert len(found) == 1, f"{len(found)} of {typ}: {sorted(found)}"
        return next(iter(found.values()))

    def counts(self) -> dict[str, int]:
        """How many resources of each type, components left out."""
        short = Counter(args.typ.removeprefix("azure-native:") for args in self.declared)
        return dict(sorted(short.items()))

    def options(self, name: str) -> Any:
        """The request that declared this resource."""
        (request,) = [r for r in self.requests.values() if r.name == name and r.custom]
        return request

    def after(self, name: str) -> set[str]:
        """Everything that this resource waits for, directly or not."""
        waited: set[str] = set()
        queue = [r for r in self.requests.values() if r.name == name and r.custom]
        while queue:
            direct = {_request_key(urn) for urn in queue.pop().dependencies} - waited
            queue += [self.requests[key] for key in direct if self.requests[key].custom]
            waited |= direct
        return {key.rsplit("::", 1)[-1] for key in waited}

    def below(self, name: str) -> set[str]:
        """Everything whose inputs name this resource, or something below it."""
        found = {name}
        known = _names(self.seen[name])
        for _ in self.declared:
            for args in self.declared:
                if args.name not in found and known & set(_clear(args.inputs)):
                    found.add(args.name)
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
        loop = asyncio.new_event_loop()
        loops.append(loop)
        asyncio.set_event_loop(loop)  # by its own name: another worker may have come in between

    open_loop()
    try:
        with ThreadPoolExecutor(initializer=open_loop) as workers:
            loops[0].set_default_executor(workers)
            yield
    finally:
        for loop in loops:
            loop.close()
        asyncio.set_event_loop(None)


def _request_key(urn: str) -> str:
    """Return type and name, without the types of the parents."""
    typ, name = urn.split("::")[-2:]
    return f"{typ.rsplit('$', 1)[-1]}::{name}"


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
            outputs["clientId"] = f"{args.name}-client"
        case "ManagedCluster":
            outputs["oidcIssuerProfile"] = {"enabled": True, "issuerURL": ISSUER}
            outputs["currentKubernetesVersion"] = f"{args.inputs['kubernetesVersion']}.3"
            kubelet = {"objectId": f"kubelet-of-{args.name}"}
            outputs["identityProfile"] = {"kubeletidentity": kubelet}
            outputs["agentPoolProfiles"] = [
                {**pool, "currentOrchestratorVersion": outputs["currentKubernetesVersion"]}
                for pool in args.inputs["agentPoolProfiles"]
            ]
        case "Key":
            vault, key = args.inputs["vaultName"], args.inputs["keyName"]
            outputs["keyUriWithVersion"] = f"https://{vault}.vault.azure.net/keys/{key}/1"
        case "RoleAssignment":
            outputs["createdOn"] = "2026-11-01T08:00:00.0000000Z"
        case "Configuration":
            waits = args.inputs["configurationName"] in PENDING_RESTART
            outputs["isConfigPendingRestart"] = waits
        case "RandomString":
            outputs["result"] = "a1b2c"
        case "RandomPassword":
            outputs["result"] = f"{PASSWORD}-{args.name}"
        case "ServingCertificate":
            outputs |= {name: f"{name} of {args.name}" for name in PUBLIC_PARTS}
            outputs |= {name: f"{PASSWORD}-{name}" for name in SECRET_PARTS}
    return {**outputs, **_identity(args.inputs), **ANSWERED.get(args.typ, {})}


def _identity(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Azure does to clusters and disks: asked for as a list, answered as a map."""
    identity = inputs.get("identity", {})
    listed = identity.get(ASSIGNED)
    if not isinstance(listed, list):
        return {}
    return {"identity": {**identity, ASSIGNED: {id_: {} for id_ in listed}}}


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
