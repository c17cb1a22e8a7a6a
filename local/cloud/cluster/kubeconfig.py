"""The files with which clients sign in; the same input gives the same bytes."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import yaml

from local.cloud.cluster.certificates import ADMINISTRATOR, Certificates


def for_clients(cluster_id: str, url: str, certificates: Certificates) -> str:
    """Return an administrator's kubeconfig as AKS writes it: nothing but itself is needed."""
    name = cluster_id.rpartition("/")[2]
    group = re.search(r"/resourceGroups/([^/]+)", cluster_id, re.IGNORECASE)
    user = f"clusterUser_{group.group(1)}_{name}" if group else f"clusterUser_{name}"
    authority = {"certificate-authority-data": _encoded(certificates.certificate("ca"))}
    credentials = {
        "client-certificate-data": _encoded(certificates.certificate(ADMINISTRATOR)),
        "client-key-data": _encoded(certificates.key(ADMINISTRATOR)),
    }
    return yaml.safe_dump(_document(name, user, {"server": url, **authority}, credentials))


def for_process(user: str, url: str, certificates: Certificates) -> str:
    """Return the kubeconfig of one of the cluster's processes, which names files."""
    authority = {"certificate-authority": str(certificates.certificate("ca"))}
    credentials = {
        "client-certificate": str(certificates.certificate(user)),
        "client-key": str(certificates.key(user)),
    }
    return json.dumps(_document("local", user, {"server": url, **authority}, credentials))


def _document(
    name: str, user: str, cluster: dict[str, str], credentials: dict[str, str]
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
        "preferences": {},
    }


def _encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
