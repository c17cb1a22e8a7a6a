"""The AKS cluster: who comes in, from where, as whom it acts, and whose keys it has."""

from collections.abc import Iterator
from ipaddress import ip_network

from assurance.policies.azure import CLUSTER, DISK_ENCRYPTION_SET, VAULT
from assurance.policies.kubernetes import SECRET_CLASS
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be, must_be_on, must_have, must_not_be_on, shown, unlike

WIDEST_RANGE = 16
"""Prefix length: a wider range is no list of callers any more."""


@resource_rule(
    CLUSTER,
    name="cluster-entra-login",
    title="Accounts of Entra log in, and Azure's roles decide what each may do",
    severity=Severity.HIGH,
    remediation="Set aadProfile with managed, enableAzureRBAC and the group of administrators.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-2", "IA-2"),
    azure_policy=("450d2877-ebea-41e8-b00c-e286317d21bf", "36a27de4-199b-40fb-b336-945a8475d6c5"),
    psrule=("Azure.AKS.ManagedAAD", "Azure.AKS.AzureRBAC"),
)
def entra_login(cluster: Resource) -> Iterator[str]:
    """No login is outside of the directory, which revokes it with the account."""
    yield from must_be_on(cluster.inputs, "aadProfile.managed")
    yield from must_be_on(cluster.inputs, "aadProfile.enableAzureRBAC")
    yield from must_have(cluster.inputs, "aadProfile.adminGroupObjectIDs", what="a group or more")


@resource_rule(
    CLUSTER,
    name="cluster-no-local-accounts",
    title="The cluster has no accounts of its own",
    severity=Severity.HIGH,
    remediation="Set cluster.local_accounts to false.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-2", "IA-2"),
    azure_policy=("993c2fcd-2b29-49d2-9eb0-df2c3a730c32",),
    checkov=("CKV_AZURE_141",),
    psrule=("Azure.AKS.LocalAccounts",),
)
def no_local_accounts(cluster: Resource) -> Iterator[str]:
    """A local account is a certificate that no directory can revoke."""
    yield from must_be_on(cluster.inputs, "disableLocalAccounts")


@resource_rule(
    CLUSTER,
    name="cluster-rbac",
    title="Kubernetes asks its roles before it does anything",
    severity=Severity.CRITICAL,
    remediation="Set enableRBAC to true; it is decided when the cluster is made.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-3",),
    checkov=("CKV_AZURE_5",),
    trivy=("AZU-0042",),
    psrule=("Azure.AKS.UseRBAC",),
)
def rbac(cluster: Resource) -> Iterator[str]:
    """Without roles, whoever comes in may do everything."""
    yield from must_be_on(cluster.inputs, "enableRBAC")


@resource_rule(
    CLUSTER,
    name="cluster-listed-callers",
    title="The API server answers to a private network or to listed ranges only",
    severity=Severity.HIGH,
    remediation="List the ranges of operators and pipelines in cluster.authorized_ip_ranges.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-17", "SC-7"),
    azure_policy=("0e246bcf-5f6f-4f87-bc6f-775d4712c7ea",),
    checkov=("CKV_AZURE_6",),
    trivy=("AZU-0041",),
    psrule=("Azure.AKS.AuthorizedIPs",),
)
def listed_callers(cluster: Resource) -> Iterator[str]:
    """A token that leaked is of no use from elsewhere."""
    if cluster.get("apiServerAccessProfile.enablePrivateCluster") is True:
        return
    path = "apiServerAccessProfile.authorizedIPRanges"
    ranges = cluster.get(path)
    if not ranges:
        yield unlike(path, ranges, f"ranges of /{WIDEST_RANGE} or narrower")
    for listed in ranges or ():
        if not _is_narrow(listed):
            yield unlike(path, listed, f"ranges of /{WIDEST_RANGE} or narrower")


def _is_narrow(listed: object) -> bool:
    try:
        return ip_network(str(listed), strict=False).prefixlen >= WIDEST_RANGE
    except ValueError:
        return False


@resource_rule(
    CLUSTER,
    name="cluster-private",
    title="The API server has no public address",
    severity=Severity.MEDIUM,
    remediation="Make the cluster private, or keep an exception while its callers are listed.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    azure_policy=("040732e8-d947-40b8-95d6-854c95024bf8",),
    checkov=("CKV_AZURE_115",),
    trivy=("AZU-0065",),
)
def private(cluster: Resource) -> Iterator[str]:
    """What has no public address cannot be knocked at."""
    yield from must_be_on(cluster.inputs, "apiServerAccessProfile.enablePrivateCluster")


@resource_rule(
    CLUSTER,
    name="cluster-no-command-invoke",
    title="Azure's portal runs no commands in the cluster",
    severity=Severity.MEDIUM,
    remediation="Set apiServerAccessProfile.disableRunCommand to true.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6",),
    azure_policy=("89f2d532-c53c-4f8f-9afa-4927b1114a0d", "1b708b0a-3380-40e9-8b79-821f9fa224cc"),
)
def no_command_invoke(cluster: Resource) -> Iterator[str]:
    """Such a command is a way into every pod that no role of Kubernetes governs."""
    yield from must_be_on(cluster.inputs, "apiServerAccessProfile.disableRunCommand")


@resource_rule(
    CLUSTER,
    name="cluster-policy-add-on",
    title="Azure's policies are held at the door of the cluster",
    severity=Severity.MEDIUM,
    remediation="Enable the add-on azurepolicy.",
    ai_rmf=("GOVERN 1.4", "MANAGE 4.1"),
    sp800_53=("CM-6",),
    azure_policy=("0a15ec92-a229-4763-bb14-0ea34a568f8d", "a8eff44f-8c92-45c3-a3fb-9880802d67a7"),
    checkov=("CKV_AZURE_116",),
    trivy=("AZU-0066",),
    psrule=("Azure.AKS.AzurePolicyAddOn",),
)
def policy_add_on(cluster: Resource) -> Iterator[str]:
    """What another deployment brings in is judged, too."""
    yield from must_be_on(cluster.inputs, "addonProfiles.azurepolicy.enabled")


@resource_rule(
    CLUSTER,
    name="cluster-secrets-rotated",
    title="The vault's secrets reach pods as files, and follow the vault",
    severity=Severity.MEDIUM,
    remediation="Enable the add-on azureKeyvaultSecretsProvider with enableSecretRotation.",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.3"),
    sp800_53=("IA-5",),
    checkov=("CKV_AZURE_172",),
    psrule=("Azure.AKS.SecretStore", "Azure.AKS.SecretStoreRotation"),
)
def secrets_rotated(cluster: Resource) -> Iterator[str]:
    """A secret that was replaced in the vault must not live on in a pod."""
    add_on = "addonProfiles.azureKeyvaultSecretsProvider"
    yield from must_be_on(cluster.inputs, f"{add_on}.enabled")
    yield from must_be(cluster.inputs, f"{add_on}.config.enableSecretRotation", "true")


@resource_rule(
    CLUSTER,
    name="cluster-no-dashboard",
    title="The cluster has neither the old dashboard nor HTTP application routing",
    severity=Severity.MEDIUM,
    remediation="Remove the add-ons kubeDashboard and httpApplicationRouting.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("CM-7",),
    checkov=("CKV_AZURE_8", "CKV_AZURE_246"),
    psrule=("Azure.AKS.HttpAppRouting",),
)
def no_dashboard(cluster: Resource) -> Iterator[str]:
    """Both are retired, and open the cluster to the network."""
    for add_on in ("kubeDashboard", "httpApplicationRouting"):
        yield from must_not_be_on(cluster.inputs, f"addonProfiles.{add_on}.enabled")


@resource_rule(
    CLUSTER,
    name="cluster-network-policies",
    title="NetworkPolicies are held",
    severity=Severity.CRITICAL,
    remediation="Set networkProfile.networkPolicy, and networkDataplane with cilium.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-4", "SC-7"),
    checkov=("CKV_AZURE_7",),
    trivy=("AZU-0043",),
    psrule=("Azure.AKS.NetworkPolicy",),
)
def network_policies(cluster: Resource) -> Iterator[str]:
    """Without an engine the API server takes policies, and nobody holds them."""
    yield from must_be(cluster.inputs, "networkProfile.networkPolicy", "cilium", "calico", "azure")
    if cluster.get("networkProfile.networkPolicy") == "cilium":
        yield from must_be(cluster.inputs, "networkProfile.networkDataplane", "cilium")


@resource_rule(
    CLUSTER,
    name="cluster-azure-cni",
    title="Pods are on Azure's own network plug-in",
    severity=Severity.LOW,
    remediation="Set networkProfile.networkPlugin to azure.",
    ai_rmf=("MEASURE 2.7",),
    azure_policy=("46238e2f-3f6f-4589-9f3f-77bed4116e67",),
)
def azure_cni(cluster: Resource) -> Iterator[str]:
    """The others are retired, and hold no policies of Cilium's."""
    yield from must_be(cluster.inputs, "networkProfile.networkPlugin", "azure")


@resource_rule(
    CLUSTER,
    name="cluster-workload-identity",
    title="Pods prove who they are with a token of their own service account",
    severity=Severity.HIGH,
    remediation="Enable oidcIssuerProfile and securityProfile.workloadIdentity.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("IA-9",),
    azure_policy=("2cc2e023-0dac-4046-875b-178f683929d5",),
)
def workload_identity(cluster: Resource) -> Iterator[str]:
    """Otherwise a pod would need a password to fetch its passwords."""
    yield from must_be_on(cluster.inputs, "oidcIssuerProfile.enabled")
    yield from must_be_on(cluster.inputs, "securityProfile.workloadIdentity.enabled")


@resource_rule(
    CLUSTER,
    name="cluster-managed-identity",
    title="The cluster acts as a managed identity of ours",
    severity=Severity.HIGH,
    remediation="Set identity.type to UserAssigned, and remove servicePrincipalProfile.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("IA-5(7)",),
    azure_policy=("da6e2401-19da-4532-9141-fb8fbde08431",),
    psrule=("Azure.AKS.ManagedIdentity",),
)
def managed_identity(cluster: Resource) -> Iterator[str]:
    """A service principal has a secret, which leaks or lapses."""
    yield from must_be(cluster.inputs, "identity.type", "UserAssigned")
    principal = cluster.get("servicePrincipalProfile.clientId")
    if principal not in {None, "msi"}:
        yield unlike("servicePrincipalProfile.clientId", principal, "not set")


@stack_rule(
    name="cluster-disks-own-key",
    title="Disks of the cluster are encrypted with a key of ours",
    severity=Severity.HIGH,
    remediation="Give the cluster the stack's disk encryption set; it cannot be changed later.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-12", "SC-28(1)"),
    azure_policy=("7d7be79c-23ba-4033-84dd-45e2a5ccdd67",),
    checkov=("CKV_AZURE_117",),
    trivy=("AZU-0067",),
)
def disks_own_key(stack: Stack) -> Iterator[Fault]:
    """Whoever withdraws the key, withdraws the data."""
    sets = stack.of_type(DISK_ENCRYPTION_SET)
    for cluster in stack.of_type(CLUSTER):
        if not any(cluster.refers("diskEncryptionSetID", known) for known in sets):
            yield cluster, "diskEncryptionSetID names no disk encryption set of the stack"


@resource_rule(
    CLUSTER,
    name="cluster-secrets-own-key",
    title="The cluster's own store is encrypted with a key of ours",
    severity=Severity.HIGH,
    remediation="Enable securityProfile.azureKeyVaultKms with a key of the stack.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-12", "SC-28(1)"),
    azure_policy=("dbbdc317-9734-4dd8-9074-993b29c69008",),
)
def secrets_own_key(cluster: Resource) -> Iterator[str]:
    """Secrets that pods read as variables stand in it."""
    yield from must_be_on(cluster.inputs, "securityProfile.azureKeyVaultKms.enabled")


@stack_rule(
    name="cluster-one-tenant",
    title="The cluster and its secrets belong to the tenant of the vaults",
    severity=Severity.HIGH,
    remediation="Set azure-native:tenantId of the stack file; everything takes it from there.",
    ai_rmf=("GOVERN 1.4", "MAP 4.1"),
    sp800_53=("AC-4",),
)
def one_tenant(stack: Stack) -> Iterator[Fault]:
    """Another tenant's administrators are other people."""
    vaults = stack.of_type(VAULT)
    tenants = {vault.get("properties.tenantId") for vault in vaults}
    held = [(cluster, "aadProfile.tenantID") for cluster in stack.of_type(CLUSTER)]
    held += [(found, "spec.parameters.tenantId") for found in stack.of_type(SECRET_CLASS)]
    for resource, path in held if tenants else ():
        if resource.get(path) not in tenants:
            yield resource, unlike(path, resource.get(path), " or ".join(map(shown, tenants)))
