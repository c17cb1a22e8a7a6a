"""Roles of Kubernetes: what nobody of ours may be given, and to whom nothing may be given.

The program declares none; who adds one learns here what it must not contain.
https://kubernetes.io/docs/concepts/security/rbac-good-practices/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assurance.policies.kubernetes import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
)
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import must_be_off, shown, unlike

WRITE = frozenset({"create", "update", "patch", "delete", "deletecollection"})
READ = frozenset({"get", "list", "watch"})
TOO_MUCH = frozenset({"cluster-admin", "admin", "edit"})
"""Roles of Kubernetes that may read every secret of a namespace, or more."""
EVERYBODY = frozenset(
    {"system:masters", "system:anonymous", "system:authenticated", "system:unauthenticated"}
)


@dataclass(frozen=True, kw_only=True)
class Power:
    """Verbs on resources that no role may have."""

    resources: frozenset[str]
    verbs: frozenset[str]

    def in_rule(self, rule: Mapping[str, Any]) -> bool:
        """Return whether a role's rule gives it, by name or with ``*``."""
        return _meets(rule.get("resources"), self.resources) and _meets(
            rule.get("verbs"), self.verbs
        )


def _meets(given: Any, wanted: frozenset[str]) -> bool:
    return bool({"*", *wanted} & set(given or ()))


SECRETS = Power(resources=frozenset({"secrets"}), verbs=READ | WRITE)
SHELLS = Power(
    resources=frozenset({"pods/exec", "pods/attach", "pods/portforward", "nodes/proxy"}),
    verbs=frozenset({"get", "create"}),
)
ESCALATION = (
    Power(
        resources=frozenset({"roles", "clusterroles", "rolebindings", "clusterrolebindings"}),
        verbs=WRITE | {"bind", "escalate"},
    ),
    Power(
        resources=frozenset({"users", "groups", "serviceaccounts", "userextras"}),
        verbs=frozenset({"impersonate"}),
    ),
    Power(resources=frozenset({"serviceaccounts/token"}), verbs=frozenset({"create"})),
    Power(
        resources=frozenset({"certificatesigningrequests/approval", "signers"}),
        verbs=WRITE | {"approve", "sign"},
    ),
)
WORKLOADS = Power(
    resources=frozenset(
        {"pods", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs"}
        | {"replicationcontrollers", "configmaps"}
    ),
    verbs=WRITE,
)
CLUSTER = Power(
    resources=frozenset(
        {"nodes", "nodes/status", "services", "services/status", "endpoints", "endpointslices"}
        | {"networkpolicies", "ingresses", "pods/log"}
        | {"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}
    ),
    verbs=WRITE,
)


def _gives(role: Resource, *powers: Power) -> Iterator[str]:
    for index, rule in enumerate(role.get("rules") or ()):
        for power in powers:
            if power.in_rule(rule):
                verbs, resources = shown(rule.get("verbs")), shown(rule.get("resources"))
                yield f"rules[{index}] lets one {verbs} {resources}; allowed: less than that"


@resource_rule(
    ROLE,
    CLUSTER_ROLE,
    name="rbac-no-wildcards",
    title="A role names what it gives",
    severity=Severity.HIGH,
    remediation="List groups, resources and verbs instead of *.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6",),
    azure_policy=("ca8d5704-aa2b-40cf-b110-dc19052825ad",),
    checkov=("CKV_K8S_49",),
    trivy=("KSV-0044", "KSV-0045", "KSV-0046", "KSV-0112"),
)
def no_wildcards(role: Resource) -> Iterator[str]:
    """What is invented next year is given with it."""
    for index, rule in enumerate(role.get("rules") or ()):
        for key in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            if "*" in (rule.get(key) or ()):
                yield unlike(f"rules[{index}].{key}", rule.get(key), "names")


@resource_rule(
    ROLE,
    CLUSTER_ROLE,
    name="rbac-no-secrets",
    title="No role reads Secrets",
    severity=Severity.HIGH,
    remediation="Take secrets from the vault, with an identity of the pod's own.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("AC-6",),
    checkov=("CKV2_K8S_5",),
    trivy=("KSV-0041", "KSV-0113"),
)
def no_secrets(role: Resource) -> Iterator[str]:
    """Listing them is reading them."""
    yield from _gives(role, SECRETS)


@resource_rule(
    ROLE,
    CLUSTER_ROLE,
    name="rbac-no-shells",
    title="No role opens a shell or a tunnel into pods and nodes",
    severity=Severity.HIGH,
    remediation="Leave it to administrators, who are logged.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    checkov=("CKV2_K8S_2",),
    trivy=("KSV-0047", "KSV-0053", "KSV-0054"),
)
def no_shells(role: Resource) -> Iterator[str]:
    """Whoever is in a pod is the pod."""
    yield from _gives(role, SHELLS)


@resource_rule(
    ROLE,
    CLUSTER_ROLE,
    name="rbac-no-escalation",
    title="No role hands out roles, names or certificates",
    severity=Severity.CRITICAL,
    remediation="Leave roles, impersonation, tokens and signing to administrators.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6",),
    checkov=("CKV_K8S_156", "CKV_K8S_157", "CKV_K8S_158", "CKV2_K8S_1", "CKV2_K8S_3"),
    trivy=("KSV-0043", "KSV-0050", "KSV-0051", "KSV-0052", "KSV-0055"),
)
def no_escalation(role: Resource) -> Iterator[str]:
    """Whoever may give rights has them."""
    yield from _gives(role, *ESCALATION)


@resource_rule(
    ROLE,
    CLUSTER_ROLE,
    name="rbac-no-workloads",
    title="No role makes or changes workloads and their configuration",
    severity=Severity.HIGH,
    remediation="Let the program declare them.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6", "CM-5"),
    trivy=("KSV-0048", "KSV-0049"),
)
def no_workloads(role: Resource) -> Iterator[str]:
    """A new pod may name any service account of its namespace, and be it."""
    yield from _gives(role, WORKLOADS)


@resource_rule(
    ROLE,
    CLUSTER_ROLE,
    name="rbac-no-cluster-parts",
    title="No role changes nodes, networking, webhooks or logs",
    severity=Severity.HIGH,
    remediation="Leave them to the cluster's administrators and to AKS.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6", "AU-9"),
    azure_policy=("53a4a537-990c-495a-92e0-7c21a465442c", "1ddac26b-ed48-4c30-8cc5-3a68c79b8001"),
    checkov=("CKV_K8S_155", "CKV2_K8S_4"),
    trivy=("KSV-0042", "KSV-0056", "KSV-0114"),
)
def no_cluster_parts(role: Resource) -> Iterator[str]:
    """Traffic is led elsewhere, or traces are wiped."""
    yield from _gives(role, CLUSTER)


@resource_rule(
    ROLE_BINDING,
    CLUSTER_ROLE_BINDING,
    name="rbac-no-administrators",
    title="No binding makes an administrator, or gives anything to everybody",
    severity=Severity.CRITICAL,
    remediation="Bind a role of one's own to one service account; people get Azure's roles.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6",),
    azure_policy=("a3dc4946-dba6-43e6-950d-f96532848c9f",),
    checkov=("CKV_K8S_42",),
    trivy=("KSV-0111", "KSV-0122", "KSV-0123", "KSV-01011"),
)
def no_administrators(binding: Resource) -> Iterator[str]:
    """Administrators are a group of the directory, named in the stack file."""
    role = binding.get("roleRef.name")
    if role in TOO_MUCH:
        yield unlike("roleRef.name", role, "a role that names what it gives")
    for index, subject in enumerate(binding.get("subjects") or ()):
        name, kind = subject.get("name"), subject.get("kind")
        if name in EVERYBODY or (kind, name) == ("ServiceAccount", "default"):
            yield unlike(f"subjects[{index}].name", name, "one service account of the stack")


@resource_rule(
    SERVICE_ACCOUNT,
    name="rbac-account-without-token",
    title="A service account puts no token into pods",
    severity=Severity.MEDIUM,
    remediation="Set automountServiceAccountToken of the account to false.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-6",),
    azure_policy=("423dd1ba-798e-40e4-9c4d-b6902674b423",),
    trivy=("KSV-0036",),
)
def account_without_token(account: Resource) -> Iterator[str]:
    """The pod says so, too; this holds for the next pod."""
    yield from must_be_off(account.inputs, "automountServiceAccountToken")
