"""What Azure refuses of a pool of nodes from its inputs alone, in a cluster or on its own."""

import re
from collections.abc import Callable, Iterator, Sequence

from local.cloud.arm import ArmError, Body, Refusal, given, lookup
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.machines import machine
from local.cloud.resources.regions import zones_of

INVALID = "InvalidParameter"
NAMING_RULES = "Please see https://aka.ms/aks-naming-rules for more details."
POOL_NAME = r"[a-z][a-z0-9]{0,11}"
"""Of Linux; https://learn.microsoft.com/azure/aks/create-node-pools#limitations"""
MOST_NODES = 1000
TAINT = r"[\w./-]+=[\w.-]*:(NoSchedule|PreferNoSchedule|NoExecute)"
RESERVED_LABELS = "kubernetes.azure.com"

Rule = Callable[[Body], Iterator[Refusal]]


def refusals(pool: Body, path: str = "") -> Iterator[Refusal]:
    """Yield every mistake; ``path`` leads to the pool, e.g. ``agentPoolProfiles[0].``."""
    for rule in RULES:
        for found in rule(pool):
            yield found._replace(path=path + found.path)


def zone_fault(pool: str, zones: Sequence[str], region: str) -> str | None:
    """Return Azure's words where a region lacks one of the zones."""
    offered = zones_of(region)
    missing = [zone for zone in zones if str(zone) not in offered]
    if not missing:
        return None
    return (
        f"The zone(s) '{','.join(missing)}' for resource '{pool}' is not supported."
        f" The supported zones for location '{region}' are '{','.join(offered)}'."
    )


def _name(pool: Body) -> Iterator[Refusal]:
    name = lookup(pool, "name")
    if name is not None and not re.fullmatch(POOL_NAME, str(name)):
        yield Refusal(
            "name",
            INVALID,
            f"The value of parameter agentPoolProfile.name is invalid. {NAMING_RULES}"
            f" '{name}' must be 1-12 lower-case letters and digits, beginning with a letter.",
        )


def _system(pool: Body) -> Iterator[Refusal]:
    windows = lookup(pool, "osType") == "Windows"
    if windows and lookup(pool, "mode") == "System":
        yield Refusal("osType", "SystemPoolMustBeLinux", "System node pool must be Linux.")
    elif windows:
        yield Refusal("osType", "NotImplemented", "the local cloud's nodes run Linux only")


def _count(pool: Body) -> Iterator[Refusal]:
    least = 1 if lookup(pool, "mode") == "System" else 0
    for key in ("count", "minCount", "maxCount"):
        value = lookup(pool, key)
        if value is not None and not least <= value <= MOST_NODES:
            yield Refusal(
                key,
                INVALID,
                f"agentPoolProfile.{key} was {value}. It must be greater or equal to"
                f" minCount:{least} and less than or equal to maxCount:{MOST_NODES}.",
            )


def _autoscaler(pool: Body) -> Iterator[Refusal]:
    least, most = lookup(pool, "minCount"), lookup(pool, "maxCount")
    bounded = given(pool, "minCount") or given(pool, "maxCount")
    if bounded and not given(pool, "enableAutoScaling"):
        yield Refusal(
            "enableAutoScaling",
            "AutoScalingNotEnabled",
            "minCount and maxCount are bounds of the autoscaler: set enableAutoScaling too.",
        )
    if lookup(pool, "enableAutoScaling") is not True:
        return
    if not (given(pool, "minCount") and given(pool, "maxCount")):
        yield Refusal("minCount", INVALID, "the autoscaler needs both minCount and maxCount")
    elif least is not None and most is not None and least > most:
        yield Refusal("minCount", INVALID, f"minCount {least} is greater than maxCount {most}")


def refuse_start(pool: Body) -> None:
    """Raise where a new pool begins with a number of nodes that its autoscaler may not have.

    One that stands may get bounds which its last count is outside of: Azure brings it there.
    See https://github.com/Azure/AKS/issues/1758.
    """
    if not pool.get("enableAutoScaling"):
        return
    count, least, most = (int(pool[key]) for key in ("count", "minCount", "maxCount"))
    if not least <= count <= most:
        raise ArmError(400, INVALID, f"count {count} is not within the autoscaler's {least}-{most}")


def _size(pool: Body) -> Iterator[Refusal]:
    size = lookup(pool, "vmSize")
    if size is None:
        if not given(pool, "vmSize"):
            yield Refusal("vmSize", INVALID, "Required parameter vmSize is missing (null).")
        return
    try:
        machine(size)
    except ClusterError as error:
        yield Refusal(
            "vmSize",
            "VMSizeNotSupported",
            f"Virtual Machine size: '{size}' is not supported in the local cloud: {error}",
        )


def _labels(pool: Body) -> Iterator[Refusal]:
    for key in lookup(pool, "nodeLabels") or {}:
        if key.partition("/")[0].endswith(RESERVED_LABELS):
            yield Refusal(
                f"nodeLabels[{key}]",
                "NodeLabelKeyNotAllowed",
                f"the prefix {RESERVED_LABELS} is Azure's own",
            )
    for i, taint in enumerate(lookup(pool, "nodeTaints") or []):
        if isinstance(taint, str) and not re.fullmatch(TAINT, taint):
            yield Refusal(
                f"nodeTaints[{i}]", INVALID, f"'{taint}' is no taint; write key=value:NoSchedule"
            )


RULES: tuple[Rule, ...] = (_name, _system, _count, _autoscaler, _size, _labels)
