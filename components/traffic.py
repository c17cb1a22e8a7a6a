"""Who may talk to whom in the namespace: one table, and the policies that follow from it.

What is not in the table is refused, in and out.  Nodes reach the pods on them all the same, which
is how a kubelet probes: neither Cilium nor Calico holds a policy against the pod's own host.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from pulumi_kubernetes import meta, networking

from components.workloads import Workload

CLIENT_LABELS = {"engram.io/memory-client": "true"}
"""Of a namespace whose pods may call the gateway."""
DNS_PODS = {"k8s-app": "kube-dns"}
NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The API server gives it to every namespace, and nobody can fake it."""
DNS_PORT = 53
DNS_PROTOCOLS = ("UDP", "TCP")
BOTH_WAYS = ["Ingress", "Egress"]
DEFAULT_DENY = "default-deny"
DNS_POLICY = "dns"


class Outside(Enum):
    """Who talks with us and is none of our pods."""

    CLIENTS = "clients"
    DNS = "DNS"
    POSTGRES = "PostgreSQL"
    MODEL = "model"
    ISSUER = "OIDC issuer"
    VAULT = "Key Vault"
    ENTRA = "Entra"
    GRAPH_STORE = "graph store of the customer"

    @property
    def label(self) -> str:
        """Its name in the table."""
        return self.value


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where something outside answers."""

    cidrs: tuple[str, ...]
    port: int


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Everything outside that a pod calls."""

    zep_database: Address
    memory_database: Address
    model: Address
    issuer: Address | None = None
    """Of the OIDC issuer's keys; none without single sign-on."""
    vault: Address | None = None
    """Of the key that wraps those of encrypted fields; none where no field is."""
    entra: Address | None = None
    """Of the tokens that the vault asks for; as the vault."""
    graph_store: Address | None = None
    """The customer's; none where it is our workload."""
    dns_cidrs: tuple[str, ...] = ()
    """Of the DNS caches on the nodes, where there are any: no policy finds them by labels."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """One line of the table."""

    source: Workload | Outside
    """``Outside.CLIENTS``, or a workload."""
    destination: Workload | Outside
    port: int
    why: str
    cidrs: tuple[str, ...] = ()
    """Where a destination outside the cluster answers."""
    protocol: str = "TCP"

    @property
    def row(self) -> tuple[str, str, int, str, str]:
        """Source, destination, port, protocol and why, as the documentation shows them."""
        return (self.source.label, self.destination.label, self.port, self.protocol, self.why)


def network_paths(addresses: Addresses) -> tuple[Path, ...]:
    """Return the table: these paths, and no other."""
    w, out = Workload, Outside
    inside: list[tuple[Workload | Outside, Workload, str]] = [
        (out.CLIENTS, w.GATEWAY, "the one way in"),
        (w.GATEWAY, w.ZEP, "Zep's API"),
        (w.GATEWAY, w.MEMORY_SERVICE, "semantic memory"),
        (w.ZEP, w.GRAPHITI, "facts; Graphiti knows no passwords, so hardly anybody comes near"),
        (w.MEMORY_OPERATIONS, w.ZEP, "erasure of a user or session"),
        (w.MEMORY_OPERATIONS, w.GRAPHITI, "erasure of their facts"),
    ]
    zep_database, memory_database = addresses.zep_database, addresses.memory_database
    outside = [
        (w.ZEP, out.POSTGRES, zep_database, "Zep's tables, through the pooler beside it"),
        (w.MEMORY_SERVICE, out.POSTGRES, memory_database, "the memory table"),
        (w.MEMORY_SERVICE, out.MODEL, addresses.model, "embeddings"),
        (w.MEMORY_OPERATIONS, out.POSTGRES, memory_database, "the memory table, by its jobs"),
        (w.GRAPHITI, out.MODEL, addresses.model, "facts from messages, embeddings"),
        *_way_to_the_key(addresses),
    ]
    if addresses.issuer is not None:
        outside.append((w.GATEWAY, out.ISSUER, addresses.issuer, "the keys that prove a token"))
    if addresses.graph_store is None:
        inside.append((w.GRAPHITI, w.GRAPH_STORE, "the graph"))
    else:
        outside.append((w.GRAPHITI, out.GRAPH_STORE, addresses.graph_store, "the graph"))
    paths = (
        *(Path(source=s, destination=d, port=d.port, why=why) for s, d, why in inside),
        *(
            Path(source=s, destination=d, port=to.port, cidrs=to.cidrs, why=why)
            for s, d, to, why in outside
        ),
    )
    return (*paths, *_name_lookups(workloads_in(paths), addresses.dns_cidrs))


def _way_to_the_key(addresses: Addresses) -> Iterator[tuple[Workload, Outside, Address, str]]:
    for workload in (Workload.MEMORY_SERVICE, Workload.MEMORY_OPERATIONS):
        if addresses.vault is not None:
            yield workload, Outside.VAULT, addresses.vault, "the key of the fields' keys"
        if addresses.entra is not None:
            yield workload, Outside.ENTRA, addresses.entra, "the token that the vault asks for"


def workloads_in(paths: Sequence[Path]) -> list[Workload]:
    """Return the workloads that the table speaks of, in their own order."""
    named = {end for path in paths for end in (path.source, path.destination)}
    return [workload for workload in Workload if workload in named]


def network_policies(
    paths: Sequence[Path],
) -> dict[str, networking.v1.NetworkPolicySpecArgs]:
    """Return the policies by name: nothing for anyone, then each workload's own paths."""
    everyone = meta.v1.LabelSelectorArgs()
    return {
        DEFAULT_DENY: _policy(everyone, BOTH_WAYS),
        DNS_POLICY: _policy(everyone, ["Egress"], egress=[_dns_rule(paths)]),
        **{workload.label: _policy_of(workload, paths) for workload in workloads_in(paths)},
    }


def _name_lookups(workloads: Sequence[Workload], cidrs: tuple[str, ...]) -> list[Path]:
    return [
        Path(
            source=workload,
            destination=Outside.DNS,
            port=DNS_PORT,
            protocol=protocol,
            cidrs=cidrs,
            why="names of services and servers",
        )
        for workload in workloads
        for protocol in DNS_PROTOCOLS
    ]


def _policy(
    pods: meta.v1.LabelSelectorArgs,
    types: list[str],
    ingress: Sequence[networking.v1.NetworkPolicyIngressRuleArgs] = (),
    egress: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = (),
) -> networking.v1.NetworkPolicySpecArgs:
    # An empty list says what its absence says; absent, it cannot come back from the API server
    # as a difference.
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=pods,
        policy_types=types,
        ingress=list(ingress) or None,
        egress=list(egress) or None,
    )


def _policy_of(workload: Workload, paths: Sequence[Path]) -> networking.v1.NetworkPolicySpecArgs:
    own = [path for path in paths if path.destination is not Outside.DNS]
    return _policy(
        meta.v1.LabelSelectorArgs(match_labels=workload.selector),
        BOTH_WAYS,
        [
            networking.v1.NetworkPolicyIngressRuleArgs(
                from_=_peers(path, path.source), ports=[_port(path.port, path.protocol)]
            )
            for path in own
            if path.destination is workload
        ],
        [
            networking.v1.NetworkPolicyEgressRuleArgs(
                to=_peers(path, path.destination), ports=[_port(path.port, path.protocol)]
            )
            for path in own
            if path.source is workload
        ],
    )


def _dns_rule(paths: Sequence[Path]) -> networking.v1.NetworkPolicyEgressRuleArgs:
    lookups = [path for path in paths if path.destination is Outside.DNS]
    caches = dict.fromkeys(cidr for path in lookups for cidr in path.cidrs)
    servers = networking.v1.NetworkPolicyPeerArgs(
        namespace_selector=_labelled({NAMESPACE_NAME: "kube-system"}),
        pod_selector=_labelled(DNS_PODS),
    )
    return networking.v1.NetworkPolicyEgressRuleArgs(
        to=[servers, *map(_block, caches)],
        ports=[_port(DNS_PORT, protocol) for protocol in DNS_PROTOCOLS],
    )


def _peers(path: Path, end: Workload | Outside) -> list[networking.v1.NetworkPolicyPeerArgs]:
    if isinstance(end, Workload):
        return [networking.v1.NetworkPolicyPeerArgs(pod_selector=_labelled(end.selector))]
    if end is Outside.CLIENTS:
        return [networking.v1.NetworkPolicyPeerArgs(namespace_selector=_labelled(CLIENT_LABELS))]
    if not path.cidrs:
        # A rule without peers would open its port to the whole world.
        raise ValueError(
            f"{path.source.label} calls {end.label} on port {path.port}, but nothing says where it"
            " answers; name its CIDRs"
        )
    return [_block(cidr) for cidr in path.cidrs]


def _block(cidr: str) -> networking.v1.NetworkPolicyPeerArgs:
    return networking.v1.NetworkPolicyPeerArgs(ip_block=networking.v1.IPBlockArgs(cidr=cidr))


def _port(port: int, protocol: str) -> networking.v1.NetworkPolicyPortArgs:
    return networking.v1.NetworkPolicyPortArgs(port=port, protocol=protocol)


def _labelled(labels: dict[str, str]) -> meta.v1.LabelSelectorArgs:
    return meta.v1.LabelSelectorArgs(match_labels=labels)
