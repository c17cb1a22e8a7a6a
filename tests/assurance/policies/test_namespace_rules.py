"""assurance/policies/rules: a namespace that refuses less, a policy that lets more through."""

import pytest

from assurance.policies.kubernetes import CLUSTER_WIDE, NAMESPACED
from tests.assurance.policies.samples import GONE, Raw, changed, good, rules_of, says

MODULES = ("namespaces", "network_policies", "services")
Case = tuple[str, str, str, object, str]

STANDARD = "metadata:labels:pod-security.kubernetes.io"
HARD = "spec:hard"
NAMESPACES: list[Case] = [
    ("namespace-pod-security", "namespace", f"{STANDARD}/enforce", GONE, "enforce is not set"),
    ("namespace-pod-security", "namespace", f"{STANDARD}/enforce", "baseline", "is baseline; allo"),
    ("namespace-pod-security", "namespace", f"{STANDARD}/warn", "", "warn is empty"),
    ("namespace-pod-security", "namespace", "metadata:labels", None, "audit is not set"),
    ("namespace-own", "config", "metadata:namespace", GONE, "metadata.namespace is default"),
    ("namespace-own", "workload", "metadata:namespace", "kube-system", "is kube-system; allowed"),
    ("namespace-declared", "workload", "metadata:namespace", "other", "is other; allowed: zep"),
    ("namespace-declared", "config", "metadata:namespace", "", "config: metadata.namespace is def"),
    ("namespace-own", "config", "metadata:namespace", "", "metadata.namespace is default"),
    ("namespace-declared", "namespace", "", GONE, "workload: metadata.namespace is zep; allowed"),
    ("namespace-quota", "quota", "", GONE, "stack: no ResourceQuota of namespace zep limits pods"),
    ("namespace-quota", "quota", f"{HARD}:limits.memory", GONE, "limits limits.memory"),
    ("namespace-quota", "quota", f"{HARD}:pods", "", "zep limits pods"),
    ("namespace-quota", "quota", f"{HARD}:limits.cpu", GONE, "zep limits limits.cpu"),
    ("namespace-quota", "quota", f"{HARD}:requests.memory", GONE, "limits requests.memory"),
    ("namespace-quota", "quota", HARD, None, "zep limits pods"),
    ("namespace-quota", "quota", "metadata:namespace", "other", "namespace zep limits requests.c"),
    ("namespace-no-doors", "quota", f"{HARD}:services.nodeports", "3", "nodeports is 3; allowed"),
    ("namespace-no-doors", "quota", f"{HARD}:services.loadbalancers", GONE, "is not set; allowed"),
    ("namespace-limits", "limits", "", GONE, "no LimitRange of namespace zep has default.cpu"),
    ("namespace-limits", "limits", "spec:limits:0:max", {}, "namespace zep has max.memory"),
    ("namespace-limits", "limits", "spec:limits:0:default", GONE, "zep has default.memory"),
    ("namespace-limits", "limits", "spec:limits", GONE, "zep has max.cpu"),
    ("namespace-limits", "limits", "spec:limits:0:type", "Pod", "zep has defaultRequest.cpu"),
    ("namespace-limits", "limits", "metadata:namespace", "other", "zep has default.memory"),
]
INGRESS, EGRESS = "spec:ingress:0", "spec:egress:0"
BLOCK = f"{EGRESS}:to:0:ipBlock"
NAMES = f"{EGRESS}:to:0"
OTHERS = {"matchLabels": {"a": "b"}}
POLICIES: list[Case] = [
    ("network-default-deny", "nothing", "", GONE, "stack: no NetworkPolicy denies all Ingress in"),
    ("network-default-deny", "nothing", "spec:policyTypes", ["Ingress"], "denies all Egress in na"),
    ("network-default-deny", "nothing", "spec:policyTypes", GONE, "denies all Egress"),
    ("network-default-deny", "nothing", "spec:ingress", [{}], "denies all Ingress"),
    ("network-default-deny", "nothing", "spec:podSelector", GONE, "denies all Ingress"),
    ("network-default-deny", "nothing", "spec:podSelector:matchLabels", {"a": "b"}, "all Egress"),
    ("network-default-deny", "nothing", "metadata:namespace", "other", "all Egress in namespace z"),
    ("network-policy-per-pod", "paths", "", GONE, "workload: no NetworkPolicy names its pods for"),
    ("network-policy-per-pod", "paths", "spec:policyTypes", ["Ingress"], "names its pods for Egre"),
    ("network-policy-per-pod", "paths", "spec:podSelector", {}, "names its pods for Ingress"),
    ("network-policy-per-pod", "paths", "metadata:namespace", "x", "names its pods for Egress"),
    (
        "network-policy-per-pod",
        "workload",
        "spec:template:metadata:labels:app.kubernetes.io/name",
        "other",
        "names its pods for Ingress; one is wanted",
    ),
    ("network-policy-peers", "paths", f"{INGRESS}:from", GONE, "ingress[0].from is not set"),
    ("network-policy-peers", "paths", f"{EGRESS}:to", [], "egress[0].to is empty; allowed: pods"),
    ("network-policy-peers", "paths", f"{INGRESS}:from:0", {}, "it names neither pods, nor"),
    (
        "network-policy-peers",
        "paths",
        f"{INGRESS}:from:0:namespaceSelector",
        {},
        "namespaceSelect",
    ),
    ("network-policy-peers", "paths", f"{INGRESS}:from:0", {"podSelector": {}}, "podSelector is e"),
    ("network-policy-peers", "paths", f"{EGRESS}:to:0", {"namespaceSelector": OTHERS}, "podSelec"),
    (
        "network-policy-peers",
        "paths",
        f"{EGRESS}:to:0",
        {"namespaceSelector": OTHERS, "podSelector": {}},
        "podSelector is empty; allowed: labels of the pods and of their namespace",
    ),
    (
        "network-policy-peers",
        "names",
        f"{NAMES}:namespaceSelector",
        GONE,
        "namespaceSelector is no",
    ),
    (
        "network-policy-peers",
        "names",
        f"{NAMES}:podSelector",
        GONE,
        "podSelector is not set; allow",
    ),
    ("network-policy-peers", "names", f"{NAMES}:podSelector", {}, "podSelector is empty; allowed:"),
    (
        "network-policy-peers",
        "names",
        f"{NAMES}:podSelector:matchLabels",
        {},
        "podSelector is matc",
    ),
    ("network-policy-peers", "paths", f"{BLOCK}:cidr", "0.0.0.0/0", "cidr is 0.0.0.0/0; allowed"),
    ("network-policy-peers", "paths", f"{BLOCK}:cidr", "::/0", "cidr is ::/0; allowed: a range of"),
    ("network-policy-peers", "paths", f"{BLOCK}:cidr", "169.254.0.0/16", "without 169.254.169.254"),
    ("network-policy-peers", "paths", f"{BLOCK}:cidr", GONE, "cidr is not set"),
    ("network-policy-peers", "paths", f"{BLOCK}:except", ["here"], "ipBlock.cidr is 10.50.0.0/26"),
    ("network-policy-ports", "paths", f"{INGRESS}:ports", GONE, "ingress[0].ports is not set"),
    ("network-policy-ports", "paths", f"{EGRESS}:ports", [], "egress[0].ports is empty; allowed"),
    ("network-policy-ports", "paths", f"{EGRESS}:ports:0:port", GONE, "ports[0] is no single port"),
    ("network-policy-ports", "paths", f"{EGRESS}:ports:0:endPort", 9999, "is no single port"),
]
SERVICES: list[Case] = [
    ("service-internal", "service", "spec:type", "NodePort", "spec.type is NodePort; allowed: Cl"),
    ("service-internal", "service", "spec:type", "ExternalName", "spec.type is ExternalName"),
    ("service-internal", "service", "spec:type", "LoadBalancer", "internal is not set; allowed: t"),
    ("service-internal", "service", "spec:externalIPs", ["1.2.3.4"], "externalIPs is 1.2.3.4"),
    ("service-known-ports", "service", "spec:ports:0:port", 22, "ports[0].port is 22; allowed: 44"),
    ("service-own-pods", "peers", "spec:clusterIP", GONE, "peers: spec.selector is that of zep"),
    ("service-own-pods", "service", "spec:selector", GONE, "service: spec.selector is not set"),
]
TLS = {"tls": [{"hosts": ["a.example"]}], "rules": [{"host": "a.example"}]}
PLAIN = {"kubernetes.io/ingress.allow-http": "false"}
HTTPS: list[tuple[dict[str, object], dict[str, str], str]] = [
    ({}, {}, "allow-http is not set; allowed: false"),
    ({"rules": []}, PLAIN, "spec.rules is not set"),
    ({"tls": []}, PLAIN, "spec.rules[0].host is a.example; allowed: one of spec.tls"),
    ({"rules": [{}]}, PLAIN, "spec.rules[0].host is not set"),
    ({"defaultBackend": {"service": {}}}, PLAIN, "spec.defaultBackend is service"),
]


@pytest.mark.parametrize("rule", rules_of(*MODULES))
def test_what_complies_is_left_in_peace(rule: str) -> None:
    assert says(rule, good()) == []


@pytest.mark.parametrize(
    ("rule", "who", "path", "value", "said"), [*NAMESPACES, *POLICIES, *SERVICES]
)
def test_what_is_wider_is_noticed(rule: str, who: str, path: str, value: object, said: str) -> None:
    assert any(said in words for words in says(rule, changed(who, path, value)))


def test_every_rule_has_been_seen_to_find_something() -> None:
    shown = {case[0] for case in (*NAMESPACES, *POLICIES, *SERVICES)}
    assert shown | {"service-ingress-https", "stack-known-kinds"} == set(rules_of(*MODULES))


SOME = {"matchLabels": {"a": "b"}}
NARROW: list[tuple[str, str, str, object]] = [
    ("network-policy-peers", "paths", BLOCK, {"cidr": "169.0.0.0/8", "except": ["169.254.0.0/16"]}),
    ("network-policy-peers", "names", NAMES, {"ipBlock": {"cidr": "169.254.20.10/32"}}),
    ("network-policy-peers", "paths", f"{EGRESS}:to:0", {"podSelector": SOME}),
    (
        "network-policy-peers",
        "paths",
        f"{EGRESS}:to:0",
        {"namespaceSelector": SOME, "podSelector": SOME},
    ),
    (
        "network-policy-peers",
        "paths",
        f"{INGRESS}:from:0",
        {"namespaceSelector": SOME, "podSelector": {}},
    ),
    ("network-policy-ports", "paths", f"{EGRESS}:ports:0:port", "https"),
    ("namespace-no-doors", "quota", f"{HARD}:services.nodeports", 0),
    ("service-known-ports", "service", "spec:ports", None),
]


@pytest.mark.parametrize(("rule", "who", "path", "value"), NARROW)
def test_what_is_narrow_enough_is_left_in_peace(
    rule: str, who: str, path: str, value: object
) -> None:
    assert says(rule, changed(who, path, value)) == []


@pytest.mark.parametrize(
    "namespace",
    ["default", "kube-system", "kube-public", "kube-node-lease", "gatekeeper-system"],
)
def test_a_namespace_of_the_cluster_is_not_ours(namespace: str) -> None:
    assert says("namespace-own", changed("config", "metadata:namespace", namespace)) != []


def test_an_internal_load_balancer_is_internal() -> None:
    resources = changed("service", "spec:type", "LoadBalancer")
    annotation = {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"}
    resources["service"]["inputs"]["metadata"]["annotations"] = annotation
    assert says("service-internal", resources) == []


def ingress(change: dict[str, object], annotations: dict[str, str]) -> Raw:
    """Return an Ingress with another spec."""
    metadata = {"name": "door", "namespace": "zep", "annotations": annotations}
    inputs = {"kind": "Ingress", "metadata": metadata, "spec": {**TLS, **change}}
    return {"door": {"type": "kubernetes:networking.k8s.io/v1:Ingress", "inputs": inputs}}


@pytest.mark.parametrize(("change", "annotations", "said"), HTTPS)
def test_an_ingress_that_speaks_in_clear_is_noticed(
    change: dict[str, object], annotations: dict[str, str], said: str
) -> None:
    assert says("service-ingress-https", ingress({}, PLAIN)) == []
    found = says("service-ingress-https", ingress(change, annotations))
    assert any(said in words for words in found)


@pytest.mark.parametrize(
    "kind",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:apps/v1beta1:Deployment",
        "kubernetes:acid.zalan.do/v1:postgresql",
        "azure-native:storage:StorageAccount",
        "azure-native:network:SecurityRule",
        "azure-native:dbforpostgresql/v20240801:Server",
        "pulumi-python:dynamic:Resource",
    ],
)
def test_a_kind_that_no_rule_knows_is_noticed(kind: str) -> None:
    resources = {"new": {"type": kind, "inputs": {}}}
    (words,) = says("stack-known-kinds", resources)
    assert f"new: no rule looks into {kind}" in words


@pytest.mark.parametrize("kind", ["pulumi:providers:kubernetes", "engram:azure:Cluster"])
def test_what_holds_others_is_no_kind_to_look_into(kind: str) -> None:
    assert says("stack-known-kinds", {"it": {"type": kind, "inputs": {}}}) == []


def test_every_kind_that_the_sample_has_is_known() -> None:
    kinds = {given["type"] for given in good().values() if "kubernetes:" in given["type"]}
    assert kinds <= {*NAMESPACED, *CLUSTER_WIDE}
