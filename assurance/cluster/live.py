"""Reads a namespace from the API server, and asks it what it would say to each pod."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from assurance.cluster.objects import Snapshot
from assurance.errors import AssuranceError

SECONDS = 30
REMEDY = "Point KUBECONFIG at a file whose current context reaches it."
LOOPBACK = "localhost,127.0.0.1,::1"
NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Everything about objects but their content."""


class Kind(NamedTuple):
    """A kind, and where the API serves it."""

    version: str
    kind: str
    plural: str
    accept: str = "application/json"

    def path(self, namespace: str | None) -> str:
        """Return the address of the collection."""
        group = "api" if "/" not in self.version else "apis"
        place = f"/namespaces/{namespace}" if namespace else ""
        return f"/{group}/{self.version}{place}/{self.plural}"


NAMESPACED = (
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Secret", "secrets", NAMES_ONLY),
    Kind("v1", "Service", "services"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Kind("v1", "Pod", "pods"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "StatefulSet", "statefulsets"),
    Kind("apps/v1", "DaemonSet", "daemonsets"),
    Kind("batch/v1", "Job", "jobs"),
    Kind("batch/v1", "CronJob", "cronjobs"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", "secretproviderclasses"),
)
OF_THE_CLUSTER = (
    Kind("storage.k8s.io/v1", "StorageClass", "storageclasses"),
    Kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"),
)
ADMITTED = {kind.kind: kind for kind in NAMESPACED if kind.version in ("apps/v1", "batch/v1")}
"""The kinds that make pods."""
MADE_UP = tuple(
    f"{prefix}{name}"
    for prefix in ("", "batch.kubernetes.io/")
    for name in ("controller-uid", "job-name")
)
"""Labels that tell the pods of one Job from those of another."""


@dataclass(frozen=True)
class Cluster:
    """One namespace of a cluster that answers."""

    client: ApiClient
    namespace: str

    @classmethod
    def reach(cls, namespace: str) -> "Cluster":
        """Connect as ``KUBECONFIG`` says; raises ``AssuranceError`` where it says nothing."""
        configuration = Configuration()
        try:
            config.load_kube_config(client_configuration=configuration, persist_config=False)
        except config.ConfigException as error:
            raise AssuranceError(f"no way to a cluster: {error}\n{REMEDY}") from error
        # A cluster on this machine is not behind its proxy.
        configuration.no_proxy = ",".join(filter(None, [configuration.no_proxy, LOOPBACK]))
        configuration.retries = 1
        return cls(ApiClient(configuration), namespace)

    def snapshot(self) -> Snapshot:
        """Read the namespace; kinds that the cluster does not know are left out.

        Of Secrets only the names are asked for.
        """
        return Snapshot.of(self._objects())

    def namespace_object(self) -> dict[str, Any] | None:
        """Return the namespace itself, or ``None`` where it does not exist."""
        return self._get(Kind("v1", "Namespace", f"namespaces/{self.namespace}"), None)

    def _objects(self) -> Iterator[dict[str, Any]]:
        for kinds, namespace in ((NAMESPACED, self.namespace), (OF_THE_CLUSTER, None)):
            for kind in kinds:
                for item in (self._get(kind, namespace) or {}).get("items") or ():
                    yield {**item, "apiVersion": kind.version, "kind": kind.kind}

    def _get(self, kind: Kind, namespace: str | None) -> dict[str, Any] | None:
        path = kind.path(namespace)
        status, _, text = self._call("GET", path, kind.accept)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK:
            raise AssuranceError(f"{path}: HTTP {status}: {_words(text)}")
        found: dict[str, Any] = json.loads(text)
        return found

    def warnings_about(self, item: Mapping[str, Any]) -> list[str]:
        """Ask the API server, changing nothing, what it thinks of an object that makes pods."""
        twin = {
            "apiVersion": item["apiVersion"],
            "kind": item["kind"],
            "metadata": {
                "generateName": f"{item['metadata']['name']}-",
                "labels": item["metadata"].get("labels") or {},
            },
            "spec": _as_asked_for(item),
        }
        path = ADMITTED[item["kind"]].path(self.namespace) + "?dryRun=All"
        status, headers, text = self._call("POST", path, "application/json", twin)
        if status >= HTTPStatus.BAD_REQUEST:
            return [_words(text)]
        return [words for header in headers for words in texts(header)]

    def _call(
        self, method: str, path: str, accept: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, list[str], str]:
        """Return the status, the ``Warning`` headers and the text of an answer."""
        headers = {"Accept": accept, "Content-Type": "application/json"}
        request = self.client.param_serialize(
            method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = self.client.call_api(*request, _request_timeout=SECONDS)
            text = answer.read().decode()
        except Exception as error:  # the client raises what its transport raises
            raise AssuranceError(f"the cluster does not answer: {error}\n{REMEDY}") from error
        return answer.status, answer.response.headers.getlist("Warning"), text


def _as_asked_for(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a specification without what the API server made up; a Job gets that of its twin."""
    spec = copy.deepcopy(dict(item["spec"]))
    if item["kind"] == "Job" and not spec.get("manualSelector"):
        spec.pop("selector", None)
        about = spec["template"].get("metadata") or {}
        for label in MADE_UP:
            (about.get("labels") or {}).pop(label, None)
    return spec


def _words(text: str) -> str:
    """Return what a refusal says; a proxy's page says it in its own way."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:500]


def texts(header: str) -> list[str]:
    """Return the words of a ``Warning`` header; it may carry several (RFC 7234, 5.5)."""
    quoted = re.findall(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"', header)
    return [re.sub(r"\\(.)", r"\1", text) for text in quoted]
