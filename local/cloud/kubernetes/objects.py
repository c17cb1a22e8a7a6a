"""What every Kubernetes object has: a kind, a name, annotations, conditions."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from local.cloud.arm import UNKNOWN, Body
from local.cloud.kubernetes.errors import UnsupportedError
from local.cloud.quantity import amount_of

# What of the built-in API lies in no namespace; definitions of one's own are asked of the server.
CLUSTER_SCOPED = frozenset(
    {
        *("APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole"),
        *("ClusterRoleBinding", "ClusterTrustBundle", "ComponentStatus", "DeviceClass"),
        *("CustomResourceDefinition", "FlowSchema", "IPAddress", "IngressClass", "Namespace"),
        *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "Node", "PersistentVolume"),
        *("MutatingWebhookConfiguration", "PriorityClass", "PriorityLevelConfiguration"),
        *("ResourceSlice", "RuntimeClass", "SelfSubjectReview", "ServiceCIDR", "StorageClass"),
        *("StorageVersion", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
        *("ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass"),
    }
)
# Groups of Kubernetes itself whose name does not end in .k8s.io.
OWN_GROUPS = frozenset({"", "apps", "autoscaling", "batch", "extensions", "policy"})
FOREIGN_GROUPS = ("x-k8s.io", "snapshot.storage.k8s.io", "gateway.networking.k8s.io")
UNAVAILABLE = {
    "helm.sh": "Helm releases are",
    "yaml": "YAML manifests are",
    "kustomize": "Kustomize directories are",
}


class Kind(NamedTuple):
    """A kind of object in one version of its API."""

    group: str
    """Empty for the core API."""
    version: str
    name: str

    @property
    def api_version(self) -> str:
        """As ``apiVersion`` says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def built_in(self) -> bool:
        """Whether every API server knows it without a definition."""
        own = self.group in OWN_GROUPS or self.group.endswith(".k8s.io")
        return own and not self.group.endswith(FOREIGN_GROUPS)

    @classmethod
    def of(cls, obj: Body) -> "Kind":
        """Return the kind that an object says it has."""
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        return cls("" if group == "core" else group, version, str(obj.get("kind", "")))

    @classmethod
    def of_type(cls, token: str) -> "Kind":
        """Return the kind of a resource type such as ``kubernetes:apps/v1:Deployment``.

        Raises ``UnsupportedError``, by name, for a type that is no single object.
        """
        _, module, name = token.split(":")
        group, _, version = module.partition("/")
        kind = cls("" if group == "core" else group, version, name)
        if group in UNAVAILABLE:
            raise UnsupportedError(f"{UNAVAILABLE[group]} not served locally: '{token}'")
        if kind.built_in and name.endswith("List"):
            raise UnsupportedError(
                f"'{token}': list resources exist for YAML manifests and Helm charts and cannot"
                " be created; declare their members instead"
            )
        if name.endswith("Patch"):
            raise UnsupportedError(
                f"'{token}': patches of objects made elsewhere are not served locally"
            )
        return kind


def metadata(obj: Body) -> Body:
    """Return an object's metadata; empty where there is none or it is not known yet."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def name_of(obj: Body) -> str:
    """Return an object's name, or nothing."""
    return str(metadata(obj).get("name") or "")


def namespace_of(obj: Body) -> str:
    """Return an object's namespace, or nothing."""
    return str(metadata(obj).get("namespace") or "")


def annotation(obj: Body, key: str) -> str:
    """Return an annotation's value, or nothing."""
    found = metadata(obj).get("annotations")
    return str(found.get(key, "")) if isinstance(found, dict) else ""


def id_of(obj: Body) -> str:
    """Return the resource's id in the state: ``namespace/name``, or the name alone."""
    return f"{namespace_of(obj)}/{name_of(obj)}".lstrip("/")


def pluck(obj: Any, *keys: str) -> Any:
    """Return what lies below, or ``None``."""
    for key in keys:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj


def conditions(obj: Body) -> dict[str, Body]:
    """Return the conditions of a status by type."""
    found = pluck(obj, "status", "conditions") or []
    return {str(each.get("type")): each for each in found}


def owned_by(obj: Body, owner: Body) -> bool:
    """Tell whether an owner reference names the other object."""
    uid = metadata(owner).get("uid")
    return any(each.get("uid") == uid for each in metadata(obj).get("ownerReferences") or [])


def has_unknown(value: Any) -> bool:
    """Tell whether a preview has left something open."""
    return any(leaf == UNKNOWN for leaf in _leaves(value))


def same_quantity(one: Any, other: Any) -> bool:
    """Tell whether two values are the same amount, written differently (``1``, ``1000m``)."""
    amounts = amount_of(str(one)), amount_of(str(other))
    return None not in amounts and amounts[0] == amounts[1]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    else:
        yield value
