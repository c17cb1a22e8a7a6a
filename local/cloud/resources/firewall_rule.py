"""Firewall rules of a Flexible Server with public access."""

import ipaddress
from collections.abc import Iterator

from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, Refusal, lookup
from local.cloud.resources.names import name_rule
from local.cloud.resources.server_child import SERVER, SERVER_PATH, ServerChild, server_of
from local.cloud.world import World


class FirewallRule(ServerChild):
    """A range of IPv4 addresses; kept, but not enforced: everything here is loopback."""

    token = "azure-native:dbforpostgresql:FirewallRule"
    type = f"{SERVER}/firewallRules"
    path = SERVER_PATH + "/firewallRules/{firewallRuleName}"

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        yield from name_rule(
            inputs,
            "firewallRuleName",
            r"[A-Za-z0-9_-]{0,79}[A-Za-z0-9_]",
            "use 1-80 letters, digits, '_' and '-', not ending in '-'",
        )
        ends = [lookup(inputs, path) for path in ("startIpAddress", "endIpAddress")]
        try:
            first, last = (end and ipaddress.IPv4Address(end) for end in ends)
        except ValueError as error:
            yield Refusal("startIpAddress", "InvalidParameterValue", f"IPv4 only: {error}.")
            return
        if first and last and first > last:
            yield Refusal("endIpAddress", "InvalidParameterValue", f"{last} lies before {first}.")

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        server = server_of(world, arm_id)
        if lookup(server.outputs, "network.delegatedSubnetResourceId"):
            raise ArmError(
                400,
                "FirewallRulesNotAllowed",
                "Firewall rule operations cannot be requested for a private access enabled server.",
            )
