"""assurance/policies/rules/rbac: a role or a binding that gives too much is noticed."""

from typing import Any

import pytest

from tests.assurance.policies.samples import Raw, changed, good, rules_of, says

GROUP = "kubernetes:rbac.authorization.k8s.io/v1"
WRITE = ("create", "update", "patch", "delete", "deletecollection")
READ = ("get", "list", "watch")
GRANTS = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
MAKERS = (
    "pods",
    "deployments",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "jobs",
    "cronjobs",
    "replicationcontrollers",
)
PARTS = (
    "nodes",
    "nodes/status",
    "services",
    "services/status",
    "endpoints",
    "endpointslices",
    "networkpolicies",
    "ingresses",
    "pods/log",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
)
POWERS: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    ("rbac-no-wildcards", ("*",), ("get",)),
    ("rbac-no-wildcards", ("events",), ("*",)),
    ("rbac-no-secrets", ("secrets", "*"), (*READ, *WRITE, "*")),
    ("rbac-no-shells", ("pods/exec", "pods/attach", "pods/portforward"), ("create", "get")),
    ("rbac-no-shells", ("nodes/proxy",), ("create", "get")),
    ("rbac-no-escalation", GRANTS, (*WRITE, "bind", "escalate")),
    ("rbac-no-escalation", ("users", "groups", "serviceaccounts", "userextras"), ("impersonate",)),
    ("rbac-no-escalation", ("serviceaccounts/token",), ("create",)),
    ("rbac-no-escalation", ("certificatesigningrequests/approval", "signers"), ("approve", "sign")),
    ("rbac-no-escalation", ("certificatesigningrequests/approval",), ("update",)),
    ("rbac-no-workloads", (*MAKERS, "configmaps"), WRITE),
    ("rbac-no-cluster-parts", PARTS, WRITE),
]
ROLES = [
    (rule, resource, verb)
    for rule, resources, verbs in POWERS
    for resource in resources
    for verb in verbs
]
OF_ROLES = sorted({rule for rule, _, _ in ROLES})
HARMLESS: list[tuple[list[str], list[str]]] = [
    (["pods", "services", "configmaps"], ["get", "list", "watch"]),
    (["pods/log"], ["get"]),
    (["events"], ["create"]),
    ([], []),
    (["events", "leases"], []),
]
ACCOUNT = {"kind": "ServiceAccount", "name": "zep"}
BINDINGS: list[tuple[str, dict[str, str], str]] = [
    ("cluster-admin", ACCOUNT, "roleRef.name is cluster-admin; allowed: a role that names"),
    ("admin", ACCOUNT, "roleRef.name is admin"),
    ("edit", ACCOUNT, "roleRef.name is edit"),
    ("reader", {"kind": "Group", "name": "system:masters"}, "subjects[0].name is system:masters"),
    ("reader", {"kind": "User", "name": "system:anonymous"}, "name is system:anonymous"),
    ("reader", {"kind": "Group", "name": "system:authenticated"}, "is system:authenticated"),
    ("reader", {"kind": "Group", "name": "system:unauthenticated"}, "is system:unauthenticated"),
    ("reader", {"kind": "ServiceAccount", "name": "default"}, "subjects[0].name is default"),
]


def role(kind: str, resources: list[str] | None, verbs: list[str] | None) -> Raw:
    rule: dict[str, Any] = {"apiGroups": [""], "resources": resources, "verbs": verbs}
    return {"role": {"type": f"{GROUP}:{kind}", "inputs": {"rules": [rule]}}}


def binding(kind: str, name: str, subject: dict[str, str]) -> Raw:
    inputs = {"roleRef": {"name": name}, "subjects": [subject]}
    return {"binding": {"type": f"{GROUP}:{kind}", "inputs": inputs}}


@pytest.mark.parametrize(("rule", "resource", "verb"), ROLES)
def test_a_role_that_gives_too_much_is_noticed(rule: str, resource: str, verb: str) -> None:
    for kind in ("Role", "ClusterRole"):
        found = says(rule, role(kind, ["events", resource], ["x", verb]))
        assert any("rules[0]" in words for words in found)


@pytest.mark.parametrize("key", ["apiGroups", "nonResourceURLs"])
def test_a_wildcard_is_noticed_wherever_it_stands(key: str) -> None:
    resources = role("ClusterRole", ["events"], ["get"])
    resources["role"]["inputs"]["rules"][0][key] = ["*"]
    assert f"role: rules[0].{key} is *; allowed: names" in says("rbac-no-wildcards", resources)


@pytest.mark.parametrize("rule", OF_ROLES)
@pytest.mark.parametrize(("resources", "verbs"), [*HARMLESS, (None, None)])
def test_a_role_that_only_looks_on_is_left_in_peace(
    rule: str, resources: list[str] | None, verbs: list[str] | None
) -> None:
    assert says(rule, role("Role", resources, verbs)) == []
    assert says(rule, {"role": {"type": f"{GROUP}:Role", "inputs": {}}}) == []


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
@pytest.mark.parametrize(("name", "subject", "said"), BINDINGS)
def test_a_binding_that_makes_an_administrator_is_noticed(
    kind: str, name: str, subject: dict[str, str], said: str
) -> None:
    found = says("rbac-no-administrators", binding(kind, name, subject))
    assert any(said in words for words in found)


def test_a_binding_of_one_role_to_one_account_is_left_in_peace() -> None:
    assert says("rbac-no-administrators", binding("RoleBinding", "reader", ACCOUNT)) == []


@pytest.mark.parametrize("value", [True, None])
def test_an_account_that_hands_its_token_to_pods_is_noticed(*, value: bool | None) -> None:
    rule = "rbac-account-without-token"
    assert says(rule, good()) == []
    assert says(rule, changed("account", "automountServiceAccountToken", value)) != []


def test_every_rule_has_been_seen_to_find_something() -> None:
    others = {"rbac-no-administrators", "rbac-account-without-token"}
    assert {*OF_ROLES, *others} == set(rules_of("rbac"))
