"""Reads from the API server what guards the workloads; of Secrets and maps, no content."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from assurance.cluster.live import Cluster
from assurance.cluster.objects import Object, Snapshot, name_of
from assurance.cluster.references import VaultSecrets
from assurance.cluster.verify import verify

PLAIN = "plain"


def read(namespace: str, vaults: VaultSecrets | None = None) -> dict[str, Any]:
    """Return the facts of a namespace; ``KUBECONFIG`` is the way.

    Raises ``AssuranceError`` where the cluster does not answer.
    """
    cluster = Cluster.reach(namespace)
    snapshot = cluster.snapshot()
    return {
        "namespace": namespace,
        "policies": [
            {"name": name_of(policy), "spec": policy["spec"]}
            for policy in snapshot.kind("NetworkPolicy")
        ],
        "storage": [
            {"name": name_of(found), "parameters": found.get("parameters") or {}}
            for found in snapshot.kind("StorageClass")
        ],
        "claims": [
            {"name": name_of(claim), "class": claim["spec"].get("storageClassName", "")}
            for claim in snapshot.kind("PersistentVolumeClaim")
        ],
        "listeners": list(listeners(snapshot)),
        "checks": [check.as_dict() for check in verify(cluster, vaults)],
    }


def listeners(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    """Yield each way into the gateway: where it leads, its TLS, and whether it is logged."""
    for map_ in snapshot.kind("ConfigMap"):
        for document in _documents(map_):
            for listener in (document.get("static_resources") or {}).get("listeners") or ():
                yield {
                    "name": f"{name_of(map_)}/{listener.get('name', '')}",
                    "to": sorted({*_values(listener, "cluster")}),
                    "oldest": sorted({_oldest(chain) for chain in listener["filter_chains"]}),
                    "logged": any(_values(listener, "access_log")),
                }


def _documents(map_: Object) -> Iterator[Mapping[str, Any]]:
    for text in (map_.get("data") or {}).values():
        try:
            document = json.loads(text)
        except ValueError:
            continue
        if isinstance(document, Mapping):
            yield document


def _oldest(chain: Mapping[str, Any]) -> str:
    """Return the oldest version of a chain; Envoy's own default for servers is TLS 1.2."""
    socket = chain.get("transport_socket")
    if socket is None:
        return PLAIN
    common = (socket.get("typed_config") or {}).get("common_tls_context") or {}
    oldest: str = (common.get("tls_params") or {}).get("tls_minimum_protocol_version", "TLSv1_2")
    return oldest


def _values(value: Any, key: str) -> Iterator[Any]:
    """Yield what stands under a key, at every depth."""
    if isinstance(value, Mapping):
        if value.get(key):
            yield value[key]
        for inner in value.values():
            yield from _values(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, key)
