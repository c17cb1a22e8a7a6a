"""Which changes replace an object: the real plugin's table, kind by kind.

https://github.com/pulumi/pulumi-kubernetes/blob/master/provider/pkg/provider/diff.go
"""

from typing import Any

from local.cloud.arm import Body
from local.cloud.diff import Steps
from local.cloud.kubernetes.objects import Kind

EVERYWHERE = ("metadata.name", "metadata.namespace")
SELECTOR = ("spec.selector",)
JOB = ("spec.completions", "spec.parallelism", "spec.selector", "spec.template")
POD = (
    *("affinity", "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks"),
    *("hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostname", "imagePullSecrets"),
    *("nodeName", "nodeSelector", "overhead", "preemptionPolicy", "priority", "priorityClassName"),
    *("readinessGates", "restartPolicy", "runtimeClassName", "schedulerName", "securityContext"),
    *("serviceAccount", "serviceAccountName", "shareProcessNamespace", "subdomain"),
    *("terminationGracePeriodSeconds", "volumes"),
)
CONTAINER = (
    *("args", "command", "env", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports"),
    *("readinessProbe", "resources", "securityContext", "stdin", "stdinOnce", "tty"),
    *("terminationMessagePath", "terminationMessagePolicy", "volumeDevices", "volumeMounts"),
    "workingDir",
)
VOLUME = (
    *("awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "fc"),
    *("flexVolume", "flocker", "gcePersistentDisk", "glusterfs", "hostPath", "iscsi", "local"),
    *("nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos"),
    "vsphereVolume",
)
CLAIM = ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName")
STATEFUL_SET = (
    *("spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector"),
    *("spec.serviceName", "spec.volumeClaimTemplates"),
)
BY_KIND = {
    Kind("", "v1", "PersistentVolume"): tuple(f"spec.{each}" for each in VOLUME),
    Kind("", "v1", "PersistentVolumeClaim"): CLAIM,
    Kind("", "v1", "Pod"): (
        *(f"spec.{each}" for each in POD),
        *(f"spec.containers.{each}" for each in CONTAINER),
        *(f"spec.initContainers.{each}" for each in CONTAINER),
    ),
    Kind("", "v1", "ResourceQuota"): ("spec.scopes",),
    Kind("", "v1", "Secret"): ("type",),
    Kind("", "v1", "Service"): ("spec.clusterIP",),
    Kind("apps", "v1", "DaemonSet"): SELECTOR,
    Kind("apps", "v1", "Deployment"): SELECTOR,
    Kind("apps", "v1", "StatefulSet"): STATEFUL_SET,
    Kind("batch", "v1", "Job"): JOB,
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"): ("roleRef",),
    Kind("rbac.authorization.k8s.io", "v1", "RoleBinding"): ("roleRef",),
    Kind("storage.k8s.io", "v1", "StorageClass"): ("parameters", "provisioner"),
}
# Pods do not notice that the content changed: a new object makes them.
CONTENT = {
    Kind("", "v1", "ConfigMap"): ("binaryData", "data"),
    Kind("", "v1", "Secret"): ("type", "stringData", "data"),
}


def replacing(obj: Body, mutable: frozenset[str]) -> tuple[str, ...]:
    """Return the dotted paths, without list indices, whose change replaces the object.

    ``mutable`` names the kinds whose content the provider's options let change in place.
    """
    kind = Kind.of(obj)
    fixed = kind.name not in mutable or obj.get("immutable") is True
    content = CONTENT.get(kind, ()) if fixed else ()
    return (*EVERYWHERE, *BY_KIND.get(kind, ()), *content)


def replaces(steps: Steps, value: Any, paths: tuple[str, ...]) -> bool:
    """Tell whether a change at ``steps`` touches one of the paths.

    ``value`` is what is new there: where it is a whole subtree, the path may lie inside it.
    """
    names = [step for step in steps if isinstance(step, str)]
    return any(_touches(names, value, path.split(".")) for path in paths)


def _touches(names: list[str], value: Any, path: list[str]) -> bool:
    shared = min(len(names), len(path))
    return names[:shared] == path[:shared] and _contains(value, path[shared:])


def _contains(value: Any, path: list[str]) -> bool:
    if not path:
        return True
    if isinstance(value, list):
        return any(_contains(each, path) for each in value)
    return isinstance(value, dict) and path[0] in value and _contains(value[path[0]], path[1:])
