"""What Azure refuses of a managed cluster from its inputs alone.

Codes are those of the service's own list (``ErrorCode`` of its resource provider), words those
that people were shown; docs/local-cloud.md says which of them nobody has compared.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator

from local.cloud.arm import Body, Refusal, given, lookup
from local.cloud.cluster.spec import SECRETS_STORE
from local.cloud.resources.names import name_rule
from local.cloud.resources.pool_rules import INVALID, NAMING_RULES, zone_fault
from local.cloud.resources.pool_rules import refusals as pool_refusals

LOCAL_MINOR = "1.36"
"""The only one whose control plane can be built here."""
DNS_PREFIX = r"[A-Za-z0-9]([A-Za-z0-9-]{0,52}[A-Za-z0-9])?"
SMALLEST_SERVICE_PREFIX = 12
"""A service CIDR must be smaller than a /12."""
RESERVED = ("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24")
"""https://learn.microsoft.com/azure/aks/configure-azure-cni#prerequisites"""
OMS_AGENT = "omsagent"
ADDONS = (SECRETS_STORE, "azurepolicy", OMS_AGENT)

Rule = Callable[[Body], Iterator[Refusal]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def refusals(inputs: Body) -> Iterator[Refusal]:
    """Yield every mistake."""
    for rule in RULES:
        yield from rule(inputs)


def _name(inputs: Body) -> Iterator[Refusal]:
    yield from name_rule(
        inputs,
        "resourceName",
        r"[A-Za-z0-9]([\w-]{0,61}[A-Za-z0-9])?",
        "1-63 letters, digits, '-' and '_', beginning and ending with a letter or digit",
        INVALID,
    )
    prefix = lookup(inputs, "dnsPrefix")
    if not given(inputs, "dnsPrefix") and not given(inputs, "fqdnSubdomain"):
        yield Refusal("dnsPrefix", INVALID, "Required parameter dnsPrefix is missing (null).")
    elif prefix is not None and not re.fullmatch(DNS_PREFIX, str(prefix)):
        yield Refusal(
            "dnsPrefix",
            INVALID,
            f"The value of parameter dnsPrefix is invalid. {NAMING_RULES} '{prefix}' must be 1-54"
            " letters, digits and inner hyphens.",
        )


def version_fault(version: str | None) -> str | None:
    """Return Azure's words for a Kubernetes version that is not offered."""
    if version is None or re.fullmatch(re.escape(LOCAL_MINOR) + r"(\.\d+)?", version):
        return None
    return (
        f"Version {version} is not supported in this region. Please use [az aks get-versions]"
        " command to get the supported version list in this region. For more information, please"
        f" check https://aka.ms/supported-version-list. The local cloud runs {LOCAL_MINOR} only."
    )


def _version(inputs: Body) -> Iterator[Refusal]:
    fault = version_fault(lookup(inputs, "kubernetesVersion"))
    if fault:
        yield Refusal("kubernetesVersion", "AgentPoolK8sVersionNotSupported", fault)


def _pools(inputs: Body) -> Iterator[Refusal]:
    pools = lookup(inputs, "agentPoolProfiles")
    if pools is None and given(inputs, "agentPoolProfiles"):
        return
    if not any(lookup(pool, "mode") == "System" for pool in pools or ()):
        yield Refusal(
            "agentPoolProfiles",
            "MustDefineAtLeastOneSystemPool",
            "Must define at least one system pool.",
        )
    names = Counter(lookup(pool, "name") for pool in pools or ())
    for name in (name for name, times in names.items() if name and times > 1):
        yield Refusal("agentPoolProfiles", INVALID, f"the pool name '{name}' is used twice")
    for i, pool in enumerate(pools or ()):
        yield from pool_refusals(pool, f"agentPoolProfiles[{i}].")
        yield from _pool_here(inputs, pool, f"agentPoolProfiles[{i}].")


def _pool_here(inputs: Body, pool: Body, path: str) -> Iterator[Refusal]:
    location = lookup(inputs, "location")
    zones = list(lookup(pool, "availabilityZones") or ())
    fault = location and zone_fault(str(lookup(pool, "name")), zones, location)
    if fault:
        yield Refusal(f"{path}availabilityZones", "AvailabilityZoneNotSupported", fault)
    version = version_fault(lookup(pool, "orchestratorVersion"))
    if version:
        yield Refusal(f"{path}orchestratorVersion", "AgentPoolK8sVersionNotSupported", version)


def _identity(inputs: Body) -> Iterator[Refusal]:
    kind = lookup(inputs, "identity.type")
    listed = lookup(inputs, "identity.userAssignedIdentities")
    if kind != "UserAssigned" and not (kind is None and given(inputs, "identity.type")):
        yield Refusal(
            "identity.type",
            "NotImplemented",
            f"the local cloud's clusters have a UserAssigned identity, not {kind!r}: only such a"
            " one can be granted its subnet and its disk encryption set before the cluster is",
        )
    elif not given(inputs, "identity.userAssignedIdentities") or listed == []:
        yield Refusal("identity.userAssignedIdentities", INVALID, "name one identity")


def _accounts(inputs: Body) -> Iterator[Refusal]:
    directory = lookup(inputs, "aadProfile.managed") or given(inputs, "aadProfile.clientAppID")
    unknown = given(inputs, "aadProfile") and lookup(inputs, "aadProfile") is None
    if lookup(inputs, "disableLocalAccounts") and not (directory or unknown):
        yield Refusal(
            "disableLocalAccounts",
            "BadRequest",
            "Since kubernetes version 1.25, disableLocalAccounts can only be set on Azure AD"
            " integration enabled cluster. Please integrate your cluster with AAD.",
        )
    issuer = lookup(inputs, "oidcIssuerProfile.enabled")
    if lookup(inputs, "securityProfile.workloadIdentity.enabled") and issuer is False:
        yield Refusal(
            "securityProfile.workloadIdentity",
            "BadRequest",
            "Azure AD Workload Identity requires OIDC issuer. Please see https://aka.ms/aks/wi"
            " for details.",
        )


def _addons(inputs: Body) -> Iterator[Refusal]:
    for name, addon in (lookup(inputs, "addonProfiles") or {}).items():
        if name not in ADDONS:
            yield Refusal(
                f"addonProfiles[{name}]",
                "NotImplemented",
                f"the local cloud knows the add-ons {', '.join(ADDONS)}",
            )
        config = lookup(addon, "config") or {}
        workspace = given(config, "logAnalyticsWorkspaceResourceID")
        if name == OMS_AGENT and lookup(addon, "enabled") and not workspace:
            yield Refusal(
                f"addonProfiles[{name}].config",
                "LogAnalyticsWorkspaceNotSet",
                "omsagent needs config.logAnalyticsWorkspaceResourceID",
            )


def _network(inputs: Body) -> Iterator[Refusal]:
    plugin = lookup(inputs, "networkProfile.networkPlugin")
    if plugin == "kubenet" and lookup(inputs, "networkProfile.networkPolicy") == "azure":
        yield Refusal(
            "networkProfile.networkPolicy",
            "NetworkPolicyAzureNotSupportedForKubenet",
            "Network policy azure is not supported for the plugin kubenet.",
        )
    if plugin == "kubenet" and lookup(inputs, "networkProfile.networkPluginMode") == "overlay":
        yield Refusal(
            "networkProfile.networkPluginMode", INVALID, "overlay is a mode of the plugin azure"
        )
    faults = [fault for key in ("podCidr", "serviceCidr") for fault in _block(inputs, key)]
    yield from faults
    if not faults:
        yield from _blocks_together(inputs)


def _block(inputs: Body, key: str) -> Iterator[Refusal]:
    text, path = lookup(inputs, f"networkProfile.{key}"), f"networkProfile.{key}"
    if text is None:
        return
    try:
        block = ipaddress.ip_network(text)
    except ValueError:
        yield Refusal(path, "CidrStringParseError", f"Cidr is invalid: '{text}'")
        return
    taken = [other for other in RESERVED if block.overlaps(ipaddress.ip_network(other))]
    if taken:
        yield Refusal(path, INVALID, f"{text} overlaps with {', '.join(taken)}, which Azure keeps")
    if key == "serviceCidr" and block.version == 4 and block.prefixlen < SMALLEST_SERVICE_PREFIX:  # noqa: PLR2004 - IPv4
        yield Refusal(path, INVALID, f"{text} is too large: /{SMALLEST_SERVICE_PREFIX} at most")


def _blocks_together(inputs: Body) -> Iterator[Refusal]:
    pods, services = block_of(inputs, "podCidr"), block_of(inputs, "serviceCidr")
    if pods and services and pods.overlaps(services):
        yield Refusal(
            "networkProfile.podCidr",
            "PodCidrOverlapServiceCidr",
            f"The specified pod CIDR {pods} is conflicted with the service CIDR {services}",
        )
    address = lookup(inputs, "networkProfile.dnsServiceIP")
    if address is None or services is None:
        return
    # The first address is the API server's own service; the one before it is the network.
    if address not in {str(host) for host in _hosts(services, address)}:
        yield Refusal(
            "networkProfile.dnsServiceIP",
            INVALID,
            f"The value of parameter networkProfile.dnsServiceIP is invalid. '{address}' must lie"
            f" within the service CIDR {services}, after its first address.",
        )


def _hosts(services: Network, address: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError:
        return []
    inside = wanted in services and int(wanted) - int(services.network_address) > 1
    return [wanted] if inside else []


def block_of(inputs: Body, key: str) -> Network | None:
    """Return a block of the network profile; ``None`` while it is not known."""
    text = lookup(inputs, f"networkProfile.{key}")
    return None if text is None else ipaddress.ip_network(text)


RULES: tuple[Rule, ...] = (
    _name,
    _version,
    _pools,
    _identity,
    _accounts,
    _addons,
    _network,
)
