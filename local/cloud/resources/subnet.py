"""Subnets: a part of the network's space that nobody else has."""

import ipaddress
from collections.abc import Iterator, Sequence

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.resources.names import NETWORK_NAME, NETWORK_NAME_WORDS, name_rule
from local.cloud.world import World

SUBNET = "Microsoft.Network/virtualNetworks/subnets"
PRIVATE_ENDPOINT = "Microsoft.Network/privateEndpoints"
FLEXIBLE_SERVER = "Microsoft.DBforPostgreSQL/flexibleServers"
MANAGED_CLUSTER = "Microsoft.ContainerService/managedClusters"
PLACES = {
    PRIVATE_ENDPOINT: "subnet.id",
    FLEXIBLE_SERVER: "network.delegatedSubnetResourceId",
    f"{MANAGED_CLUSTER}/agentPools": "vnetSubnetID",
}
"""Where a resource names the subnet that it takes addresses of; a cluster has a list of pools."""
SMALLEST_PREFIX = 29
"""Azure keeps five addresses of each subnet for itself."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Subnet(ResourceType):
    """``Microsoft.Network/virtualNetworks/subnets``; one write at a time on a network."""

    token = "azure-native:network:Subnet"
    type = SUBNET
    api_version = "2024-05-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/virtualNetworks/{virtualNetworkName}/subnets/{subnetName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, and an address block that is none or too small."""
        yield from name_rule(inputs, "subnetName", NETWORK_NAME, NETWORK_NAME_WORDS)
        if not {"addressPrefix", "addressPrefixes", "ipamPoolPrefixAllocations"} & inputs.keys():
            yield Refusal("addressPrefix", "InvalidRequestFormat", "missing; a CIDR block")
        one = lookup(inputs, "addressPrefix")
        for prefix in [*([one] if one else []), *(lookup(inputs, "addressPrefixes") or [])]:
            yield from refuse_bad_prefix("addressPrefix", prefix, smallest=SMALLEST_PREFIX)

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a block outside of the network, one that overlaps, and unknown references."""
        network = world.require(parent_of(arm_id) or "")
        space = lookup(network.outputs, "addressSpace.addressPrefixes") or []
        own = prefixes_of(inputs)
        refuse_outside(arm_id, own, [ipaddress.ip_network(p) for p in space])
        for other in world.children(network.arm_id, SUBNET):
            if other.arm_id.lower() != arm_id.lower():
                _refuse_overlap(arm_id, own, other)
        group = lookup(inputs, "networkSecurityGroup.id")
        if group is not None:
            require_reference(world, arm_id, group)
        if old is not None and prefixes_of(old.outputs) != own:
            refuse_in_use(world, old, code="InUsePrefixCannotBeDeleted")

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it."""
        return {**self.echo(arm_id, inputs), "provisioningState": "Succeeded"}

    def delete(self, world: World, record: Record) -> None:
        """Refuse while something sits in it."""
        refuse_in_use(world, record)


def prefixes_of(body: Body) -> list[Network]:
    """Return the blocks of a subnet, in whichever spelling."""
    one = [body["addressPrefix"]] if body.get("addressPrefix") else []
    return [ipaddress.ip_network(p) for p in body.get("addressPrefixes") or one]


def refuse_bad_prefix(path: str, prefix: str, smallest: int | None = None) -> Iterator[Refusal]:
    """Refuse what is no CIDR block, has host bits, or is too small."""
    try:
        block = ipaddress.ip_network(prefix, strict=False)
    except ValueError:
        yield Refusal(path, "InvalidAddressPrefixFormat", f"'{prefix}' is no CIDR block")
        return
    if str(block) != prefix:
        yield Refusal(
            path,
            "InvalidCIDRNotation",
            f"The address prefix {prefix} has an invalid CIDR notation. For the given prefix"
            f" length, the address prefix should be {block}.",
        )
    if smallest is not None and block.version == 4 and block.prefixlen > smallest:  # noqa: PLR2004
        yield Refusal(
            path, "NetcfgInvalidSubnet", f"{prefix} is too small; /{smallest} is the smallest"
        )


def refuse_outside(arm_id: str, blocks: Sequence[Network], space: Sequence[Network]) -> None:
    """Raise when a block lies in none of the network's."""
    for block in blocks:
        if not any(block.version == s.version and _within(block, s) for s in space):
            raise ArmError(
                400,
                "NetcfgInvalidSubnet",
                f"Subnet '{arm_id.rsplit('/', 1)[-1]}' is not valid in virtual network"
                f" '{arm_id.rsplit('/', 3)[1]}': {block} is not in"
                f" {', '.join(map(str, space))}.",
            )


def _within(block: Network, space: Network) -> bool:
    return int(block.network_address) >= int(space.network_address) and int(
        block.broadcast_address
    ) <= int(space.broadcast_address)


def _refuse_overlap(arm_id: str, own: Sequence[Network], other: Record) -> None:
    for block in own:
        if any(block.overlaps(taken) for taken in prefixes_of(other.outputs)):
            raise ArmError(
                400,
                "NetcfgSubnetRangesOverlap",
                f"Subnet '{arm_id.rsplit('/', 1)[-1]}' is not valid because its IP address range"
                f" overlaps with that of an existing subnet in virtual network"
                f" '{arm_id.rsplit('/', 3)[1]}': {other.name}.",
            )


def require_reference(world: World, arm_id: str, reference: str) -> Record:
    """Return what a network resource refers to, or refuse as the network provider does."""
    found = world.get(reference)
    if found is None:
        raise ArmError(
            400,
            "InvalidResourceReference",
            f"Resource {reference} referenced by resource {arm_id} was not found. Please make sure"
            " that the referenced resource exists, and that both resources are in the same region.",
        )
    return found


def users_of(world: World, subnet_id: str) -> list[Record]:
    """Return what has an address in a subnet."""
    return [
        record
        for arm_type in (*PLACES, MANAGED_CLUSTER)
        for record in world.of_type(arm_type)
        if subnet_id.lower() in _subnets_of(record)
    ]


def _subnets_of(record: Record) -> set[str]:
    if record.type == MANAGED_CLUSTER:
        pools = record.outputs["agentPoolProfiles"]
        return {str(pool.get("vnetSubnetID")).lower() for pool in pools}
    return {str(lookup(record.outputs, PLACES[record.type])).lower()}


def refuse_in_use(world: World, subnet: Record, code: str = "InUseSubnetCannotBeDeleted") -> None:
    """Raise while something has an address in the subnet."""
    users = users_of(world, subnet.arm_id)
    if users:
        raise ArmError(
            400,
            code,
            f"Subnet {subnet.name} is in use by {', '.join(u.arm_id for u in users)} and cannot be"
            " deleted. In order to delete the subnet, delete all the resources within the subnet.",
        )
