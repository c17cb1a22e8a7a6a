"""How much room the workloads need, and the quota and limits that follow from it.

The quota is the sum of what was asked for, every workload at its largest and two pods more: one
that a rolling update starts before it stops another, and one that still answers what it has
accepted, which counts until it is gone.  So the namespace takes no more of a shared cluster than
its settings say, and no rollout waits for room.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pulumi_kubernetes import core

from components.workloads import Scale, Size

SURGE_PODS = 1
LEAVING_PODS = 1
DEFAULT_SIZE = Size(cpu="100m", memory="128Mi")
"""For a container that says nothing, such as a debugging one."""
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one workload takes."""

    scale: Scale
    containers: Sequence[Size]
    """Of one pod, sidecars too."""
    volume_gib: int = 0
    """Of the disk that each pod claims; 0 for none."""


def resource_quota(shares: Sequence[Share]) -> core.v1.ResourceQuotaSpecArgs:
    """Return the most that the namespace may take."""
    cpu = _format_cpu(_sum(shares, lambda size: cores(size.cpu)))
    memory = _format_bytes(_sum(shares, lambda size: bytes_of(size.memory)))
    claims = [(share.scale.maximum, share.volume_gib) for share in shares if share.volume_gib]
    return core.v1.ResourceQuotaSpecArgs(
        hard={
            "requests.cpu": cpu,
            "requests.memory": memory,
            "limits.cpu": cpu,
            "limits.memory": memory,
            "pods": str(sum(_pods(share) for share in shares)),
            "persistentvolumeclaims": str(sum(pods for pods, _ in claims)),
            "requests.storage": _format_bytes(
                Fraction(sum(pods * gib for pods, gib in claims) * UNITS["Gi"])
            ),
            # Nothing of ours is to be reached from outside the cluster.
            "services.loadbalancers": "0",
            "services.nodeports": "0",
        }
    )


def limit_range(shares: Sequence[Share]) -> core.v1.LimitRangeSpecArgs:
    """Return the bounds of one container and of one claim."""
    sizes = [DEFAULT_SIZE, *(size for share in shares for size in share.containers)]
    default = {"cpu": DEFAULT_SIZE.cpu, "memory": DEFAULT_SIZE.memory}
    container = core.v1.LimitRangeItemArgs(
        type="Container",
        default=default,
        default_request=default,
        max={
            "cpu": _format_cpu(max(cores(size.cpu) for size in sizes)),
            "memory": _format_bytes(max(bytes_of(size.memory) for size in sizes)),
        },
        # What is asked for is what is got: nobody lives on a neighbour's memory.
        max_limit_request_ratio={"cpu": "1", "memory": "1"},
    )
    largest = max((share.volume_gib for share in shares), default=0)
    if not largest:
        return core.v1.LimitRangeSpecArgs(limits=[container])
    claim = core.v1.LimitRangeItemArgs(
        type="PersistentVolumeClaim",
        max={"storage": _format_bytes(Fraction(largest * UNITS["Gi"]))},
    )
    return core.v1.LimitRangeSpecArgs(limits=[container, claim])


def cores(quantity: str) -> Fraction:
    """Return how many cores ``1``, ``1.5`` or ``250m`` is; raise ``ValueError`` for others."""
    try:
        if quantity.endswith("m"):
            return Fraction(int(quantity.removesuffix("m")), 1000)
        return Fraction(quantity)
    except ValueError as error:
        raise ValueError(f"{quantity!r} is no number of cores: write 1, 1.5 or 250m") from error


def bytes_of(quantity: str) -> Fraction:
    """Return how many bytes ``2Gi`` or ``512Mi`` is; raise ``ValueError`` for others."""
    number, unit = quantity[:-2], quantity[-2:]
    try:
        return Fraction(number) * UNITS[unit]
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{quantity!r} is no amount of memory: write a number and one of {', '.join(UNITS)}"
        ) from error


def _pods(share: Share) -> int:
    return share.scale.maximum + SURGE_PODS + LEAVING_PODS


def _sum(shares: Iterable[Share], amount: Callable[[Size], Fraction]) -> Fraction:
    return sum(
        (_pods(share) * amount(size) for share in shares for size in share.containers), Fraction()
    )


def _format_cpu(amount: Fraction) -> str:
    """Return it as the API server writes it back: whole cores, or else thousandths."""
    return str(amount) if amount.denominator == 1 else f"{math.ceil(amount * 1000)}m"


def _format_bytes(amount: Fraction) -> str:
    """Return it as the API server writes it back: in the largest unit that leaves it whole."""
    if not amount:
        return "0"
    for unit in ("Ti", "Gi", "Mi"):
        if (amount / UNITS[unit]).denominator == 1:
            return f"{amount / UNITS[unit]}{unit}"
    return f"{math.ceil(amount / UNITS['Ki'])}Ki"
