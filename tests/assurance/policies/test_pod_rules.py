"""assurance/policies/rules: a softer pod, a softer container or another image is noticed."""

import pytest

from assurance.policies.kubernetes import TEMPLATES, WORKLOADS
from tests.assurance.policies.samples import GONE, Raw, changed, good, rules_of, says

MODULES = ("pods", "containers", "images")
Case = tuple[str, str, object, str]

CONTEXT, OWN = "pod:securityContext", "container:securityContext"
STARTER = "pod:initContainers:0"
DIGEST = f"sha256:{'0' * 64}"
PODS: list[Case] = [
    ("pod-has-containers", "pod:containers", GONE, "the template has no containers"),
    ("pod-has-containers", "pod:containers", [], "the template has no containers"),
    ("pod-has-containers", "spec:template", None, "the template has no containers"),
    ("pod-no-host-namespaces", "pod:hostNetwork", True, "hostNetwork is true; allowed: not set"),
    ("pod-no-host-namespaces", "pod:hostPID", True, "hostPID is true"),
    ("pod-no-host-namespaces", "pod:hostIPC", True, "hostIPC is true"),
    ("pod-no-host-namespaces", f"{OWN}:windowsOptions", {"hostProcess": True}, "hostProcess"),
    ("pod-volumes", "pod:volumes:0", {"name": "v", "hostPath": {}}, "volumes[0] v is hostPath"),
    ("pod-volumes", "pod:volumes:0", {"name": "v", "flexVolume": {}}, "v is flexVolume"),
    ("pod-volumes", "pod:volumes:0", {"name": "v", "nfs": {}}, "v is nfs; allowed: configMap"),
    ("pod-not-root", f"{CONTEXT}:runAsNonRoot", GONE, "runAsNonRoot is not set; allowed: true"),
    ("pod-not-root", f"{OWN}:runAsNonRoot", False, "zep: runAsNonRoot is false"),
    ("pod-not-root", f"{CONTEXT}:runAsUser", GONE, "runAsUser is not set; allowed: 1 or more"),
    ("pod-not-root", f"{OWN}:runAsUser", 0, "containers[0] zep: runAsUser is 0"),
    ("pod-not-root", f"{CONTEXT}:runAsGroup", 0, "runAsGroup is 0"),
    ("pod-not-root", f"{CONTEXT}:runAsUser", True, "runAsUser is true"),
    ("pod-not-root", f"{CONTEXT}:fsGroup", 0, "has the group 0, which is root's"),
    ("pod-not-root", f"{CONTEXT}:supplementalGroups", [5, 0], "has the group 0"),
    ("pod-not-root", f"{STARTER}:securityContext:runAsUser", 0, "initContainers[0] preparation"),
    ("pod-high-ids", f"{CONTEXT}:runAsUser", 10000, "runAsUser is 10000; allowed: 10001 or more"),
    ("pod-high-ids", f"{CONTEXT}:runAsGroup", True, "runAsGroup is true"),
    ("pod-seccomp", f"{CONTEXT}:seccompProfile", GONE, "seccompProfile is not set"),
    ("pod-seccomp", f"{OWN}:seccompProfile", {"type": "Unconfined"}, "zep: seccompProfile is Unc"),
    ("pod-kernel-defaults", f"{CONTEXT}:sysctls", [{"name": "a.b"}], "sysctls is a.b; allowed"),
    ("pod-kernel-defaults", f"{OWN}:seLinuxOptions", {"role": "x"}, "seLinuxOptions is role"),
    ("pod-kernel-defaults", f"{OWN}:procMount", "Unmasked", "procMount is Unmasked"),
    ("pod-kernel-defaults", f"{OWN}:appArmorProfile", {"type": "Unconfined"}, "is Unconfined"),
    (
        "pod-kernel-defaults",
        "spec:template:metadata:annotations",
        {"container.apparmor.security.beta.kubernetes.io/zep": "unconfined"},
        "beta.kubernetes.io/zep is unconfined; allowed: runtime/default",
    ),
    ("pod-no-host-aliases", "pod:hostAliases", [{"ip": "10.0.0.1"}], "hostAliases has 1 entries"),
    ("pod-no-api-token", "pod:automountServiceAccountToken", GONE, "is not set; allowed: false"),
    ("pod-no-api-token", "pod:automountServiceAccountToken", True, "is true; allowed: false"),
    ("pod-labels", "spec:template:metadata:labels", GONE, "app.kubernetes.io/name is not set"),
    ("pod-labels", "spec:template:metadata:labels:app.kubernetes.io/part-of", "", "part-of is emp"),
    (
        "pod-labels",
        "spec:template:metadata:labels:app.kubernetes.io/managed-by",
        None,
        "managed-by is not set; allowed: a name",
    ),
    ("pod-no-azure-labels", "metadata:labels", {"kubernetes.azure.com/mode": "x"}, "reserved for"),
    (
        "pod-no-azure-labels",
        "spec:template:metadata:labels:kubernetes.azure.com/x",
        "y",
        "label kubernetes.azure.com/x is reserved for AKS",
    ),
]
CONTAINERS: list[Case] = [
    ("container-not-privileged", f"{OWN}:privileged", True, "zep: privileged is true; allowed"),
    ("container-no-escalation", f"{OWN}:allowPrivilegeEscalation", GONE, "is not set; allowed: f"),
    ("container-no-capabilities", f"{OWN}:capabilities", GONE, "capabilities.drop is not set"),
    ("container-no-capabilities", f"{OWN}:capabilities:drop", ["NET_RAW"], "drop is NET_RAW; all"),
    ("container-no-capabilities", f"{OWN}:capabilities:add", ["SYS_ADMIN"], "add is SYS_ADMIN"),
    ("container-read-only-root", f"{OWN}:readOnlyRootFilesystem", False, "is false; allowed: true"),
    ("container-read-only-root", STARTER + ":securityContext", None, "preparation: readOnlyRoot"),
    ("container-security-context", OWN, GONE, "zep: securityContext is not set"),
    ("container-security-context", OWN, {}, "zep: securityContext is not set"),
    ("container-sizes", "container:resources", GONE, "resources.requests.cpu is not set"),
    ("container-sizes", "container:resources:requests", {}, "requests.memory is not set"),
    ("container-sizes", "container:resources:limits:cpu", "", "limits.cpu is empty"),
    ("container-sizes", "container:resources:limits:cpu", "0m", "limits.cpu is 0m; allowed: an am"),
    ("container-sizes", "container:resources:requests:cpu", 0, "cpu is 0; allowed: an amount abov"),
    ("container-sizes", "container:resources:requests:memory", "0.0Gi", "memory is 0.0Gi; allowed"),
    ("container-sizes", "container:resources:limits:memory", "-1Gi", "limits.memory is -1Gi"),
    ("container-sizes", "container:resources:limits:memory", "much", "limits.memory is much"),
    ("container-sizes", "container:resources:limits:cpu", True, "limits.cpu is true"),
    ("container-sizes", f"{STARTER}:resources:limits:memory", GONE, "preparation: resources.lim"),
    ("container-probes", "container:livenessProbe", GONE, "zep: livenessProbe is not set"),
    ("container-probes", "container:readinessProbe", {}, "zep: readinessProbe is empty"),
    ("container-probes", "container:livenessProbe:httpGet", GONE, "zep: livenessProbe is empty"),
    ("container-probes", "container:readinessProbe:httpGet", {}, "readinessProbe is httpGet; allo"),
    ("container-probes", f"{STARTER}:restartPolicy", "Always", "preparation: livenessProbe is not"),
    ("container-stops-gently", "container:lifecycle", GONE, "zep: lifecycle.preStop is not set"),
    ("container-no-host-ports", "container:ports:0:hostPort", 8000, "ports[0].hostPort is 8000"),
    ("container-free-ports", "container:ports:0:containerPort", 443, "containerPort is 443; allow"),
    ("container-free-ports", "container:ports:0:containerPort", GONE, "containerPort is not set"),
    (
        "container-secrets-as-files",
        "container:env",
        [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
        "zep: KEY is a secret in a variable; allowed: a file",
    ),
    (
        "container-secrets-as-files",
        "container:envFrom",
        [{"secretRef": {"name": "s"}}],
        "zep: envFrom takes in a whole Secret",
    ),
]
IMAGES: list[Case] = [
    ("container-image-listed", "container:image", GONE, "image is not set; allowed: those of reg"),
    ("container-image-listed", "container:image", "zep:1.0.2", "image is zep:1.0.2"),
    ("container-image-listed", "container:image", "docker.io/zepai/zep-x:1", "zepai/zep-x:1"),
    ("container-image-listed", "container:image", "evil.io/docker.io/zepai/zep:1", "evil.io"),
    ("container-image-listed", "container:image", "evil.io/zepai/zep:1.0.2", "evil.io/zepai"),
    ("container-image-listed", f"{STARTER}:image", "docker.io/alpine:3", "preparation: image is"),
    ("container-image-tag", "container:image", "docker.io/zepai/zep:latest", "zep:latest; allowed"),
    ("container-image-tag", "container:image", f"docker.io/zepai/zep@{DIGEST}", "<release>"),
    ("container-image-tag", "container:image", GONE, "image is not set; allowed: <registry>/<rep"),
    ("container-image-digest", "container:image", "docker.io/zepai/zep:1.0.2", "@sha256:<digest>"),
    ("container-image-digest", "container:image", "docker.io/zepai/zep:1@sha256:1", "sha256:1;"),
    ("container-image-digest", "container:image", None, "image is not set"),
    ("container-image-pull", "container:image", "docker.io/zepai/zep:1", "imagePullPolicy is not"),
    ("container-image-pull", "container:image", GONE, "imagePullPolicy is not set; allowed: Alway"),
]
NAKED = "pod-not-naked"
HARMLESS: list[tuple[str, str, object]] = [
    ("pod-seccomp", f"{OWN}:seccompProfile", {"type": "Localhost"}),
    ("pod-kernel-defaults", f"{OWN}:procMount", "Default"),
    ("pod-kernel-defaults", f"{OWN}:appArmorProfile", {"type": "RuntimeDefault"}),
    ("pod-kernel-defaults", "spec:template:metadata:annotations", {"note": "unconfined"}),
    (
        "pod-kernel-defaults",
        "spec:template:metadata:annotations",
        {"container.apparmor.security.beta.kubernetes.io/zep": "runtime/default"},
    ),
    ("container-stops-gently", f"{STARTER}:restartPolicy", "Always"),
    *(("container-sizes", "container:resources:limits:cpu", it) for it in (1, 0.5, "250m", ".5")),
    *(("container-sizes", "container:resources:limits:memory", it) for it in ("1e9", "2Gi", "1G")),
    ("container-free-ports", "container:ports:0:containerPort", 1024),
    ("container-no-host-ports", "container:ports", None),
    ("container-secrets-as-files", "container:env", [{"name": "A", "value": "b"}]),
]
VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim")


@pytest.mark.parametrize("rule", rules_of(*MODULES))
def test_what_complies_is_left_in_peace(rule: str) -> None:
    assert says(rule, good()) == []


@pytest.mark.parametrize(("rule", "path", "value", "said"), [*PODS, *CONTAINERS, *IMAGES])
def test_what_is_softer_is_noticed(rule: str, path: str, value: object, said: str) -> None:
    assert any(said in words for words in says(rule, changed("workload", path, value)))


def test_every_rule_has_been_seen_to_find_something() -> None:
    assert {case[0] for case in (*PODS, *CONTAINERS, *IMAGES)} | {NAKED} == set(rules_of(*MODULES))


@pytest.mark.parametrize(("rule", "path", "value"), HARMLESS)
def test_what_is_no_softer_is_left_in_peace(rule: str, path: str, value: object) -> None:
    assert says(rule, changed("workload", path, value)) == []


@pytest.mark.parametrize("kind", [*VOLUMES, "projected", "secret"])
def test_a_volume_that_is_not_of_the_node_may_be_mounted(kind: str) -> None:
    resources = changed("workload", "pod:volumes", [{"name": "v", kind: {}}])
    assert says("pod-volumes", resources) == []


def moved(kind: str) -> Raw:
    """Return the sample with its pods, privileged, made by another kind."""
    resources = changed("workload", "container:securityContext:privileged", True)
    inputs = resources["workload"]["inputs"]
    template = inputs.pop("spec")["template"]
    resources["workload"]["type"] = kind
    place = inputs
    if not TEMPLATES[kind]:
        inputs["spec"] = template["spec"]
        return resources
    *way, last = TEMPLATES[kind].split(".")
    for key in way:
        place = place.setdefault(key, {})
    place[last] = template
    return resources


@pytest.mark.parametrize("kind", WORKLOADS)
def test_pods_are_found_wherever_they_are_made(kind: str) -> None:
    assert len(says("container-not-privileged", moved(kind))) == 1


@pytest.mark.parametrize("kind", ["apps/v1:ReplicaSet", "core/v1:Pod"])
def test_a_pod_of_its_own_is_noticed(kind: str) -> None:
    (words,) = says(NAKED, moved(f"kubernetes:{kind}"))
    assert "is nobody's; allowed: what rolls out and replaces" in words


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_what_runs_to_its_end_needs_neither_probes_nor_a_gentle_stop(kind: str) -> None:
    resources = moved(f"kubernetes:batch/v1:{kind}")
    assert says("container-probes", resources) == says("container-stops-gently", resources) == []


@pytest.mark.parametrize("image", ["docker.io/zepai/zep:1", "docker.io/zepai/zep", None])
def test_a_tag_that_is_asked_for_again_is_never_old(image: str | None) -> None:
    resources = changed("workload", "container:image", image)
    container = resources["workload"]["inputs"]["spec"]["template"]["spec"]["containers"][0]
    container["imagePullPolicy"] = "Always"
    assert says("container-image-pull", resources) == []


def test_a_container_inherits_what_its_pod_says_and_may_say_otherwise() -> None:
    resources = changed("workload", f"{CONTEXT}:runAsNonRoot", False)
    assert len(says("pod-not-root", resources)) == 2
    container = resources["workload"]["inputs"]["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["runAsNonRoot"] = True
    assert len(says("pod-not-root", resources)) == 1
