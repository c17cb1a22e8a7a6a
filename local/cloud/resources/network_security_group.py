"""Network security groups: ordered rules, no two of the same order and direction."""

import ipaddress
import re
from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup
from local.cloud.resources.names import (
    NETWORK_NAME,
    NETWORK_NAME_WORDS,
    name_rule,
    stable_guid,
)
from local.cloud.resources.subnet import SUBNET
from local.cloud.world import World

LOWEST, HIGHEST = 100, 4096
PORT = re.compile(r"\*|(\d{1,5})(?:-(\d{1,5}))?")
SERVICE_TAG = re.compile(r"\*|[A-Za-z][A-Za-z0-9.]*")


class NetworkSecurityGroup(ResourceType):
    """``Microsoft.Network/networkSecurityGroups`` with its rules inline."""

    token = "azure-native:network:NetworkSecurityGroup"
    type = "Microsoft.Network/networkSecurityGroups"
    api_version = "2024-05-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/networkSecurityGroups/{networkSecurityGroupName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse bad rules, and rules that contradict each other."""
        yield from name_rule(inputs, "networkSecurityGroupName", NETWORK_NAME, NETWORK_NAME_WORDS)
        rules = lookup(inputs, "securityRules") or []
        for i, rule in enumerate(rules):
            yield from _check_rule(rule, f"securityRules[{i}]")
        yield from _conflicts(rules)

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it, with the outputs of a fresh one."""
        return {
            **self.echo(arm_id, inputs),
            "provisioningState": "Succeeded",
            "resourceGuid": stable_guid(arm_id),
        }

    def delete(self, world: World, record: Record) -> None:
        """Refuse while a subnet uses it."""
        users = [
            s.arm_id
            for s in world.of_type(SUBNET)
            if str(lookup(s.outputs, "networkSecurityGroup.id")).lower() == record.arm_id.lower()
        ]
        if users:
            raise ArmError(
                400,
                "InUseNetworkSecurityGroupCannotBeDeleted",
                f"Network security group {record.arm_id} cannot be deleted because it is in use by"
                f" the following resources: {', '.join(users)}.",
            )


def _check_rule(rule: Body, path: str) -> Iterator[Refusal]:
    priority = lookup(rule, "priority")
    if priority is not None and not LOWEST <= priority <= HIGHEST:
        yield Refusal(
            f"{path}.priority",
            "SecurityRuleInvalidPriority",
            f"Security rule has invalid Priority. Value provided: {priority}"
            f" Allowed range {LOWEST}-{HIGHEST}.",
        )
    for side in ("source", "destination"):
        yield from _check_side(rule, path, side)


def _check_side(rule: Body, path: str, side: str) -> Iterator[Refusal]:
    ports = _both(rule, f"{side}PortRange", f"{side}PortRanges")
    for port in ports or []:
        if not _is_port_range(str(port)):
            yield Refusal(
                f"{path}.{side}PortRange",
                "SecurityRuleInvalidPortRange",
                "Security rule has invalid Port range. Value provided:"
                f" {port}. Value should be an integer OR integer range with '-' delimiter."
                " Valid range 0-65535.",
            )
    prefixes = _both(rule, f"{side}AddressPrefix", f"{side}AddressPrefixes")
    for prefix in prefixes or []:
        if not _is_address(str(prefix)):
            yield Refusal(
                f"{path}.{side}AddressPrefix",
                "SecurityRuleInvalidAddressPrefix",
                f"Security rule has invalid Address prefix. Value provided: {prefix}",
            )
    groups = rule.get(f"{side}ApplicationSecurityGroups")
    for kind, values in (("PortRange", ports), ("AddressPrefix", prefixes or groups)):
        if values is not None and not values:
            yield Refusal(
                f"{path}.{side}{kind}",
                "SecurityRuleParameterContainsUnsupportedValue",
                f"Required security rule parameter {side}{kind} is missing.",
            )


def _both(rule: Body, one: str, many: str) -> list[str] | None:
    """Return a rule's values in both spellings; ``None`` while one is unknown."""
    if (one in rule and lookup(rule, one) is None) or (many in rule and lookup(rule, many) is None):
        return None
    return [*([rule[one]] if one in rule else []), *rule.get(many, [])]


def _conflicts(rules: list[Body]) -> Iterator[Refusal]:
    seen: dict[tuple[str, int], str] = {}
    names: set[str] = set()
    for i, rule in enumerate(rules):
        name, priority = str(rule.get("name")), lookup(rule, "priority")
        key = (str(rule.get("direction")), priority)
        if name.lower() in names:
            yield Refusal(
                f"securityRules[{i}].name", "DuplicateResourceName", f"'{name}' is there already"
            )
        if priority is not None and key in seen:
            yield Refusal(
                f"securityRules[{i}].priority",
                "SecurityRuleConflict",
                f"Security rule {name} conflicts with rule {seen[key]}. Rules cannot have the same"
                " Priority and Direction.",
            )
        names.add(name.lower())
        seen.setdefault(key, name)


def _is_port_range(text: str) -> bool:
    match = PORT.fullmatch(text)
    if match is None:
        return False
    ports = [int(p) for p in match.groups() if p is not None]
    return ports == sorted(ports) and all(p <= 65535 for p in ports)  # noqa: PLR2004 - TCP's own


def _is_address(text: str) -> bool:
    if SERVICE_TAG.fullmatch(text):
        return True
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
