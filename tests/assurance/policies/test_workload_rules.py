"""assurance/policies/rules: a workload that fails alone, acts as another, or keeps a secret."""

import pytest

from assurance.policies.judge import Verdict, judge_resource
from assurance.policies.model import UNKNOWN, Resource
from assurance.policies.rules import load
from tests.assurance.policies.samples import GONE, changed, good, rules_of, says

MODULES = ("availability", "workload_identity", "secrets_store")
Case = tuple[str, str, str, object, str]

SPREAD = "pod:topologySpreadConstraints"
AVAILABILITY: list[Case] = [
    ("pod-two-replicas", "workload", "spec:replicas", 1, "spec.replicas is 1; allowed: 2 or more"),
    ("pod-two-replicas", "workload", "spec:replicas", GONE, "spec.replicas is not set"),
    ("pod-two-replicas", "workload", "spec:replicas", True, "spec.replicas is true"),
    ("pod-spread", "workload", SPREAD, GONE, "its pods are not spread over kubernetes.io/hostname"),
    ("pod-spread", "workload", SPREAD, [], "not spread over topology.kubernetes.io/zone"),
    ("pod-spread", "workload", f"{SPREAD}:0:topologyKey", "rack", "spread over topology"),
    ("pod-spread", "workload", f"{SPREAD}:1:labelSelector", GONE, "over kubernetes.io/hostname"),
    ("pod-spread", "workload", f"{SPREAD}:1:labelSelector:matchLabels", {"a": "b"}, "hostname"),
    ("pod-spread", "workload", f"{SPREAD}:0:labelSelector", {}, "over topology.kubernetes.io/zone"),
    ("pod-spread", "workload", f"{SPREAD}:0:labelSelector:matchLabels", {}, "not spread over topo"),
    ("pod-disruption-budget", "budget", "", GONE, "workload: 0 PodDisruptionBudgets cover its pod"),
    ("pod-disruption-budget", "budget", "metadata:namespace", "other", "workload: 0 PodDisruption"),
    ("pod-disruption-budget", "budget", "spec:selector", GONE, "workload: 0 PodDisruptionBudgets"),
    ("pod-disruption-budget", "budget", "spec:maxUnavailable", 0, "budget: what it allows is 0"),
    ("pod-disruption-budget", "budget", "spec:maxUnavailable", GONE, "what it allows is not set"),
    ("pod-disruption-budget", "budget", "spec:maxUnavailable", "100%", "what it allows is 100%"),
    ("pod-autoscaler-bounds", "autoscaler", "spec:minReplicas", 1, "minReplicas is 1; allowed: 2"),
    ("pod-autoscaler-bounds", "autoscaler", "spec:minReplicas", GONE, "minReplicas is not set"),
    ("pod-autoscaler-bounds", "autoscaler", "spec:maxReplicas", 2, "maxReplicas is 2; allowed: mo"),
    ("pod-autoscaler-bounds", "autoscaler", "spec:maxReplicas", GONE, "maxReplicas is not set"),
    ("pod-autoscaler-bounds", "autoscaler", "spec:metrics", [], "spec.metrics is empty"),
    ("pod-autoscaler-bounds", "autoscaler", "spec:scaleTargetRef:name", "x", "is Deployment/x; al"),
]
IDENTITY: list[Case] = [
    ("rbac-federation-narrow", "trust", "subject", "system:serviceaccount:zep:*", "is system:serv"),
    ("rbac-federation-narrow", "trust", "subject", GONE, "subject is not set; allowed: system:ser"),
    ("rbac-federation-narrow", "trust", "audiences", [], "audiences is empty; allowed: api://Azur"),
    ("rbac-federation-narrow", "trust", "audiences", ["api://AzureADTokenExchange", "x"], "alone"),
    ("rbac-federation-narrow", "trust", "issuer", "http://issuer", "issuer is http://issuer"),
    ("rbac-federation-narrow", "trust", "issuer", None, "issuer is not set"),
    ("rbac-federation-known", "account", "", GONE, "trust: subject is system:serviceaccount:zep:z"),
    ("rbac-federation-known", "trust", "subject", "system:serviceaccount:x:zep", "allowed: a serv"),
    ("rbac-federation-known", "trust", "", GONE, "account: no identity trusts system:serviceaccou"),
    ("rbac-federation-known", "trust", "resourceName", "x", "resourceName is x; allowed: an iden"),
    ("rbac-federation-known", "identity", "", GONE, "trust: resourceName is id-zep; allowed: an"),
    ("pod-own-identity", "secrets", "spec:parameters:clientID", "other", "secrets: spec.parameter"),
    ("pod-own-identity", "account", "metadata:annotations", GONE, "is not that of the pod's servi"),
    ("pod-own-identity", "account", "", GONE, "secrets: spec.parameters.clientID is not that"),
    ("pod-own-identity", "secrets", "", GONE, "workload: it mounts the class zep, which the st"),
    ("rbac-account-has-identity", "account", "metadata:annotations", GONE, "client-id is not set"),
    ("pod-own-service-account", "workload", "pod:serviceAccountName", GONE, "is not set; allowed"),
    ("pod-own-service-account", "workload", "pod:serviceAccountName", "default", "is default; all"),
    ("pod-own-service-account", "account", "metadata:name", "default", "account: metadata.name is"),
]
SECRETS: list[Case] = [
    ("secret-class-own-identity", "secrets", "spec:parameters:clientID", GONE, "clientID is not s"),
    (
        "secret-class-own-identity",
        "secrets",
        "spec:parameters:useVMManagedIdentity",
        "true",
        "useVMManagedIdentity is true; allowed: not set or false",
    ),
    ("secret-class-own-identity", "secrets", "spec:parameters:usePodIdentity", True, "is true"),
    ("secret-class-own-identity", "secrets", "spec:provider", "vault", "provider is vault; allowe"),
    ("secret-class-own-vault", "secrets", "spec:parameters:keyvaultName", "x", "is x; allowed: kv"),
    ("secret-class-own-vault", "secrets", "spec:parameters:keyvaultName", GONE, "is not set; allo"),
]
CLEAR = [
    "password: hunter22",
    "  db_password = 'hunter22'",
    '{"api_key": "abcd1234"}',
    "ZEP_API_SECRET=abcd1234",
    "token: abcd1234",
    "-----BEGIN RSA PRIVATE KEY-----\nMII",
]
HARMLESS = [
    'password: {{ Env "ZEP_PASSWORD" }}',
    "password_file: /etc/secrets/password",
    "auth_file = /var/run/secrets/users",
    "api_key: ${API_KEY}",
    "secret:\n  filename: /etc/x",
    "max_tokens: 4096",
    "use_token: true",
    "token_url: https://login.example/token",
    "password:\nuser: zep",
    "-----BEGIN CERTIFICATE-----\nMII",
]


@pytest.mark.parametrize("rule", rules_of(*MODULES))
def test_what_complies_is_left_in_peace(rule: str) -> None:
    assert says(rule, good()) == []


@pytest.mark.parametrize(
    ("rule", "who", "path", "value", "said"), [*AVAILABILITY, *IDENTITY, *SECRETS]
)
def test_what_is_weaker_is_noticed(
    rule: str, who: str, path: str, value: object, said: str
) -> None:
    assert any(said in words for words in says(rule, changed(who, path, value)))


def test_every_rule_has_been_seen_to_find_something() -> None:
    shown = {case[0] for case in (*AVAILABILITY, *IDENTITY, *SECRETS)}
    others = {"secret-from-vault", "secret-not-in-config-map"}
    assert shown | others == set(rules_of(*MODULES))


# -- secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", CLEAR)
def test_a_secret_in_a_configuration_is_noticed_and_not_repeated(text: str) -> None:
    (words,) = says("secret-not-in-config-map", changed("config", "data:app.conf", text))
    assert words.startswith("config: data.app.conf looks like a secret in clear")
    assert "hunter22" not in words
    assert "abcd1234" not in words


def test_a_key_of_a_configuration_may_say_that_its_value_is_a_secret() -> None:
    assert says("secret-not-in-config-map", changed("config", "data:password", "hunter22")) != []


@pytest.mark.parametrize("text", HARMLESS)
def test_the_name_of_a_secret_is_no_secret(text: str) -> None:
    assert says("secret-not-in-config-map", changed("config", "data:app.conf", text)) == []


def test_a_secret_of_the_cluster_is_noticed() -> None:
    resources = {"new": {"type": "kubernetes:core/v1:Secret", "inputs": {}}}
    assert says("secret-from-vault", resources) == [
        "new: it is a Secret of the cluster; allowed: secrets of the vault"
    ]


# -- two of a kind -------------------------------------------------------------------------


def twice(who: str) -> dict[str, dict[str, object]]:
    resources = good()
    return {**resources, "second": {**resources[who]}}


@pytest.mark.parametrize(
    ("rule", "who", "said"),
    [
        ("rbac-federation-known", "trust", "2 identities trust system:serviceaccount:zep:zep"),
        ("rbac-federation-known", "trust", "identity id-zep trusts 2 accounts; allowed: one"),
        ("pod-own-service-account", "workload", "second: serviceAccountName is that of zep"),
        ("pod-disruption-budget", "budget", "workload: 2 PodDisruptionBudgets cover its pods"),
    ],
)
def test_what_must_be_alone_is_not_there_twice(rule: str, who: str, said: str) -> None:
    assert any(said in words for words in says(rule, twice(who)))


# -- other ways to say the same ------------------------------------------------------------

LABELS = {"labelSelector": {"matchLabels": {"app.kubernetes.io/name": "zep"}}}
KEYS = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


@pytest.mark.parametrize("preferred", [True, False])
def test_an_anti_affinity_spreads_too(*, preferred: bool) -> None:
    terms = [{**LABELS, "topologyKey": key} for key in KEYS]
    kind = "preferred" if preferred else "required"
    listed = [{"podAffinityTerm": term} for term in terms] if preferred else terms
    affinity = {"podAntiAffinity": {f"{kind}DuringSchedulingIgnoredDuringExecution": listed}}
    resources = changed("workload", "pod:affinity", affinity)
    del resources["workload"]["inputs"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert says("pod-spread", resources) == []


@pytest.mark.parametrize(("least", "holds"), [(1, True), (2, False), (0, False), ("50%", False)])
def test_a_budget_may_say_how_many_stay(*, least: object, holds: bool) -> None:
    resources = changed("budget", "spec", {"minAvailable": least})
    selector = good()["budget"]["inputs"]["spec"]["selector"]
    resources["budget"]["inputs"]["spec"]["selector"] = selector
    assert (says("pod-disruption-budget", resources) == []) is holds


def test_a_workload_of_one_pod_needs_neither_budget_nor_spread() -> None:
    resources = changed("workload", "spec:replicas", 1)
    del resources["budget"]
    assert says("pod-disruption-budget", resources) == says("pod-spread", resources) == []


# -- previews ------------------------------------------------------------------------------


def test_what_a_preview_does_not_know_yet_is_neither_well_nor_ill() -> None:
    raw = {"spec": {"provider": "azure", "parameters": {"clientID": UNKNOWN}}}
    kind = "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
    found = Resource(type=kind, name="secrets", urn="urn", raw=raw)
    (finding,) = judge_resource(found, [load()["secret-class-own-identity"]])
    assert (finding.verdict, finding.says) == (Verdict.UNDECIDED, "spec.parameters.clientID")
