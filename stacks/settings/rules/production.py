"""What uat and prod promise of the cluster: customers accept on the one and live on the other."""

from collections.abc import Iterator

from stacks.settings.cluster import ManagedCluster
from stacks.settings.image_sources import NAMES, digest
from stacks.settings.mistakes import Mistake
from stacks.settings.model import StackSettings
from stacks.settings.rules.cluster import POOLS, for_a_managed_cluster
from stacks.settings.rules.workloads import replicas

LEAST_ZONES = {"uat": 2, "prod": 3}
"""Zones that a pool spreads over, by environment; the others promise nothing."""

LEAST_REPLICAS = 2
"""One pod and a disruption budget: either no node is ever upgraded, or the budget is none."""


@for_a_managed_cluster
def nodes_survive_a_zone(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """A zone may be lost, and in prod a second one has room for what was in it."""
    least = LEAST_ZONES.get(s.environment, 0)
    for name in POOLS:
        zones: tuple[str, ...] = getattr(cluster, name).zones
        if len(zones) < least:
            yield Mistake(
                f"cluster.{name}.zones",
                str(list(zones)),
                f"{least} zones in {s.environment}",
                "name more zones; they are chosen when the pool is made",
            )


@for_a_managed_cluster
def api_server_is_promised(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """The Free tier promises nothing and slows down under a roll-out."""
    if s.environment in LEAST_ZONES and cluster.tier == "Free":
        allowed = f"'Standard' or 'Premium' in {s.environment}"
        yield Mistake("cluster.tier", "'Free'", allowed, "choose Standard")


@for_a_managed_cluster
def directory_decides_who_comes_in(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """A local account is a certificate without a person, a second factor or an end."""
    if s.environment in LEAST_ZONES and cluster.local_accounts:
        allowed = f"false in {s.environment}"
        yield Mistake("cluster.local_accounts", "True", allowed, "set it to false")


@for_a_managed_cluster
def api_server_is_not_open(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """The API server has a public address; only named ranges may knock."""
    if s.environment in LEAST_ZONES and not cluster.authorized_ip_ranges:
        yield Mistake(
            "cluster.authorized_ip_ranges",
            "nothing",
            f"one range or more in {s.environment}",
            "name the addresses of your offices and of CI",
        )


@for_a_managed_cluster
def hosts_encrypt(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """AI-SEC-01: what pods write to a node's own disk is customers' data too."""
    if s.environment in LEAST_ZONES and not cluster.host_encryption:
        remedy = "set it to true; it can only be chosen when the pools are made"
        yield Mistake("cluster.host_encryption", "False", f"true in {s.environment}", remedy)


def fields_are_encrypted(s: StackSettings) -> Iterator[Mistake]:
    """Customers' data say of themselves what must not be read; without a key it is refused."""
    if s.environment in LEAST_ZONES and not s.field_encryption.enabled:
        allowed = f"true in {s.environment}"
        yield Mistake("field_encryption.enabled", "False", allowed, "set it to true")


def images_are_pinned(s: StackSettings) -> Iterator[Mistake]:
    """A tag can be moved; what was accepted in uat is byte for byte what runs in prod."""
    if s.environment not in LEAST_ZONES:
        return
    for name in NAMES:
        if digest(s.images, name) is None:
            yield Mistake(
                f"images.digests.{name}",
                "nothing, here or in stacks/images.yaml",
                f"a digest in {s.environment}",
                "copy it from `docker buildx imagetools inspect <image>` in your registry",
            )


def workloads_survive_a_pod(s: StackSettings) -> Iterator[Mistake]:
    """One pod at least serves while another is evicted: the budget of a single pod is none."""
    if s.environment not in LEAST_ZONES:
        return
    for path, least, _ in replicas(s):
        counted = "connections.application" if path == "workloads.memory_service" else path
        if least < LEAST_REPLICAS:
            yield Mistake(
                f"{counted}.replicas",
                str(least),
                f"{LEAST_REPLICAS} or more in {s.environment}",
                "add a replica; a node cannot be upgraded around a single pod",
            )


RULES = (
    nodes_survive_a_zone,
    api_server_is_promised,
    directory_decides_who_comes_in,
    api_server_is_not_open,
    hosts_encrypt,
    fields_are_encrypted,
    images_are_pinned,
    workloads_survive_a_pod,
)
