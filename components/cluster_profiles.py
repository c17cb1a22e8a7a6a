"""What an AKS cluster of ours is like, in Azure's words: network, directory, add-ons."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerservice as aks

WEEK_IN_HOURS = 168


@dataclass(frozen=True, kw_only=True)
class ClusterNetwork:
    """Addresses inside the cluster, and the subnet of its nodes."""

    nodes_subnet_id: pulumi.Input[str]
    pod_cidr: str
    """Of the overlay: nobody outside sees it."""
    service_cidr: str
    dns_service_ip: str


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """Who may come in, and from where."""

    tenant_id: str
    admin_group_ids: Sequence[str]
    """Entra groups whose members administer the cluster."""
    local_accounts: bool
    """A certificate that no directory can revoke."""
    authorized_ip_ranges: Sequence[str]
    """Who reaches the API server; empty: everybody does."""


@dataclass(frozen=True, kw_only=True)
class ClusterUpgrades:
    """Which versions Azure brings in by itself."""

    kubernetes: aks.UpgradeChannel
    node_os: aks.NodeOSUpgradeChannel

    @property
    def move_minor_versions(self) -> bool:
        """Whether Azure, and not the settings, decides on the minor version."""
        return self.kubernetes in {aks.UpgradeChannel.STABLE, aks.UpgradeChannel.RAPID}

    def profile(self) -> aks.ManagedClusterAutoUpgradeProfileArgs:
        """Return them as Azure spells them."""
        return aks.ManagedClusterAutoUpgradeProfileArgs(
            upgrade_channel=self.kubernetes, node_os_upgrade_channel=self.node_os
        )


def network_profile(network: ClusterNetwork) -> aks.ContainerServiceNetworkProfileArgs:
    """Return an overlay in which Cilium forwards, and holds the network policies."""
    return aks.ContainerServiceNetworkProfileArgs(
        network_plugin=aks.NetworkPlugin.AZURE,
        network_plugin_mode=aks.NetworkPluginMode.OVERLAY,
        network_dataplane=aks.NetworkDataplane.CILIUM,
        network_policy=aks.NetworkPolicy.CILIUM,
        load_balancer_sku=aks.LoadBalancerSku.STANDARD,
        outbound_type=aks.OutboundType.LOAD_BALANCER,
        pod_cidr=network.pod_cidr,
        service_cidr=network.service_cidr,
        dns_service_ip=network.dns_service_ip,
    )


def directory(access: ClusterAccess) -> aks.ManagedClusterAADProfileArgs:
    """Return who logs in through Entra, where Azure's roles decide what each may do."""
    return aks.ManagedClusterAADProfileArgs(
        managed=True,
        enable_azure_rbac=True,
        tenant_id=access.tenant_id,
        admin_group_object_ids=list(access.admin_group_ids),
    )


def api_server(access: ClusterAccess) -> aks.ManagedClusterAPIServerAccessProfileArgs:
    """Return from where the API server answers."""
    return aks.ManagedClusterAPIServerAccessProfileArgs(
        authorized_ip_ranges=list(access.authorized_ip_ranges) or None,
        # A way into every pod that no role of Kubernetes governs.
        disable_run_command=True,
    )


def security_profile() -> aks.ManagedClusterSecurityProfileArgs:
    """Return identities for pods, and a cleaner of images that nobody uses any more."""
    return aks.ManagedClusterSecurityProfileArgs(
        workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
        image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(
            enabled=True, interval_hours=WEEK_IN_HOURS
        ),
    )


def addons() -> dict[str, aks.ManagedClusterAddonProfileArgs]:
    """Return the add-ons: Azure's policies, and the vault's secrets as files of pods."""
    return {
        "azurepolicy": aks.ManagedClusterAddonProfileArgs(enabled=True),
        "azureKeyvaultSecretsProvider": aks.ManagedClusterAddonProfileArgs(
            enabled=True, config={"enableSecretRotation": "true", "rotationPollInterval": "2m"}
        ),
    }
