"""What a reader of a deployment should know, though it stops nothing."""

from collections.abc import Iterator
from datetime import date, timedelta
from ipaddress import IPv4Network

from stacks.settings.cluster import ManagedCluster
from stacks.settings.image_sources import NAMES, NO_CONTENT, digest
from stacks.settings.model import ExistingPostgres, StackSettings
from stacks.settings.sizing import due_on, first_due, judgements, later, resize_command
from stacks.settings.vault import ExistingKeyVault
from stacks.settings.workloads import ExistingGraphStore

NOBODYS = tuple(map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""Ranges for examples (RFC 5737): nothing answers there."""

MONTHS_AHEAD = 6
"""A size is ordered, tested and moved to in that time."""

NAMED = {"storage": "disk", "memory": "memory", "iops": "disk's speed"}


def cautions(s: StackSettings, today: date) -> Iterator[str]:
    """Yield warnings: a file that was right yesterday must not stop a repair today."""
    if s.passwords.expire_on <= today:
        yield (
            f"the database passwords expired on {s.passwords.expire_on};"
            " set passwords.renewed_on to a later date, which renews them all"
        )
    spare_until = s.passwords.spare_key_renewed_on + timedelta(days=s.passwords.valid_days)
    if spare_until <= today:
        yield (
            f"the memory service's second API key is due since {spare_until};"
            " set passwords.spare_key_renewed_on to a later date"
        )
    if s.images.memory_service is None:
        yield (
            "the memory service is not released: its pods wait for their image;"
            " name one in images.memory_service"
        )
    empty = [name for name in NAMES if digest(s.images, name) == NO_CONTENT]
    if empty:
        yield (
            f"a placeholder stands for the digest of {', '.join(empty)}: where images are pulled,"
            " they are never found; set images.digests to those of your registry"
            " (after a roll-out that failed: docs/runbooks/pods-that-never-became-ready.md)"
        )
    yield from _examples(s)
    if s.nodes is not None:
        yield (
            "whether the nodes of postgres.elastic_cluster take the customer's key is not settled:"
            " keep customers' data off them until Azure has confirmed it (docs/scale-out.md)"
        )
    yield from _next_size(s, today)


def _next_size(s: StackSettings, today: date) -> Iterator[str]:
    """Tell of a size that is outgrown soon: the next one is ordered, tested and moved to first."""
    due = first_due(judgements(s))
    if due is None:
        return
    one, finding, months = due.judgement, due.finding, due.months
    day = due_on(s, months)
    if day is None:
        soon, when = months < MONTHS_AHEAD, f"in {months} months"
    else:
        soon, when = day < later(today, MONTHS_AHEAD), f"by {day}"
    if soon:
        yield (
            f"at the stated growth the workload outgrows the {NAMED[finding.what]} of"
            f" {one.sku.name} {when} ({one.path}); `{resize_command(s)}` moves to the next size"
        )


def _examples(s: StackSettings) -> Iterator[str]:
    """Tell of addresses that were never replaced by the customer's."""
    places = [
        path for path, cidrs in _ranges(s) if any(c.overlaps(n) for c in cidrs for n in NOBODYS)
    ]
    if places:
        yield (
            f"ranges that are only for examples (RFC 5737) stand in {', '.join(places)}: whoever"
            " waits for an answer there waits for ever; set them to your own addresses"
        )


def _ranges(s: StackSettings) -> Iterator[tuple[str, tuple[IPv4Network, ...]]]:
    """Yield every list of addresses that the customer fills in."""
    if isinstance(s.cluster, ManagedCluster):
        yield "cluster.authorized_ip_ranges", s.cluster.authorized_ip_ranges
    if isinstance(s.postgres, ExistingPostgres):
        yield "postgres.cidrs", s.postgres.cidrs
    gateway, store = s.workloads.gateway, s.workloads.graph_store
    if gateway.sign_on is not None:
        yield "workloads.gateway.sign_on.cidrs", gateway.sign_on.cidrs
    if isinstance(store, ExistingGraphStore):
        yield "workloads.graph_store.cidrs", store.cidrs
    if isinstance(s.key_vault, ExistingKeyVault):
        yield "key_vault.cidrs", s.key_vault.cidrs or ()
    yield "field_encryption.entra_cidrs", s.field_encryption.entra_cidrs
    yield "model.cidrs", s.model.cidrs
