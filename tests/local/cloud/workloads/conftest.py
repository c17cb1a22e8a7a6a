"""Live objects without an API server, and whoever runs them."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from local.cloud.cluster.api import Api, Object
from local.cloud.workloads import kubelet as module
from local.cloud.workloads.kubelet import Kubelet
from local.cloud.workloads.pod import Surroundings
from local.cloud.workloads.vault import VaultReader
from tests.kubernetes_cluster import cluster, namespace, pytest_collection_modifyitems
from tests.local.cloud.conftest import TENANT
from tests.local.cloud.door.conftest import (
    SECRET_ID,
    SECRETS_USER,
    Azure,
    azure,
    cluster_key,
    door,
)

__all__ = ["azure", "cluster", "cluster_key", "door", "namespace", "pytest_collection_modifyitems"]

NAMESPACE = "engram"
CANARY = "s3cret-canary"
CLASS = "memory-service-1"
SECONDS = 60.0
SERVES = "import os, time; print(os.environ.get('MARK'), flush=True); time.sleep(600)"


@dataclass
class Objects:
    """The part of an API that a kubelet asks, answered from a dictionary."""

    azure: Azure
    deployments: list[Object] = field(default_factory=list)
    jobs: list[Object] = field(default_factory=list)
    others: dict[str, Object] = field(default_factory=dict)
    tokens: int = 0

    def items(self, path: str, **_: str) -> list[Object]:
        return self.jobs if path.endswith("/jobs") else self.deployments

    def get(self, path: str) -> Object | None:
        kind, name = path.split("/")[-2:]
        return self.others.get(f"{kind}/{name}")

    def post(self, path: str, given: Object) -> Object:
        assert path.endswith("/serviceaccounts/memory-service/token")
        self.tokens += 1
        return {"status": {"token": self.azure.token(aud=given["spec"]["audiences"])}}


def secret_class(client_id: str) -> Object:
    """Return what the program declares, as the driver reads it."""
    one = "objectName: password\nobjectType: secret\nobjectAlias: database-password\n"
    return {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1",
        "kind": "SecretProviderClass",
        "metadata": {"name": CLASS, "namespace": NAMESPACE},
        "spec": {
            "provider": "azure",
            "parameters": {
                "clientID": client_id,
                "tenantId": TENANT,
                "keyvaultName": "kv-dev",
                "objects": yaml.safe_dump({"array": [one]}),
            },
        },
    }


def account(client_id: str) -> Object:
    annotations = {"azure.workload.identity/client-id": client_id}
    metadata = {"name": "memory-service", "namespace": NAMESPACE, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def config_map() -> Object:
    metadata = {"name": "postgres-ca", "namespace": NAMESPACE}
    data = {"ca.crt": "the roots\n"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def template(*command: str, **variables: str) -> Object:
    """Return a pod with every kind of volume that the program uses."""
    csi = {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": True,
        "volumeAttributes": {"secretProviderClass": CLASS},
    }
    env = {
        "PASSWORD_FILE": "/etc/engram/secrets/database-password",
        "PGSSLROOTCERT": "/etc/engram/postgres-ca/ca.crt",
        "ENGRAM_PORT": "8080",
        "PGPORT": "5432",
        **variables,
    }
    return {
        "metadata": {
            "labels": {"app.kubernetes.io/name": "x", "azure.workload.identity/use": "true"}
        },
        "spec": {
            "serviceAccountName": "memory-service",
            "containers": [
                {
                    "name": "main",
                    "command": [*command] or ["python", "-c", SERVES],
                    "env": [{"name": name, "value": value} for name, value in env.items()],
                    "ports": [{"name": "main", "containerPort": 8080}],
                    "volumeMounts": [
                        {"name": "secrets", "mountPath": "/etc/engram/secrets"},
                        {"name": "postgres-ca", "mountPath": "/etc/engram/postgres-ca"},
                        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
                    ],
                }
            ],
            "volumes": [
                {"name": "secrets", "csi": csi},
                {"name": "postgres-ca", "configMap": {"name": "postgres-ca"}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }


def deployment(template: Object, replicas: int = 2) -> Object:
    return {
        "metadata": {
            "name": "memory-service",
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": "memory-service"},
        },
        "spec": {"replicas": replicas, "template": template},
    }


NUMBERS = itertools.count(1)


def job(*command: str, **spec: Any) -> Object:
    metadata = {"name": "field-keys", "namespace": NAMESPACE, "uid": f"uid-{next(NUMBERS)}"}
    return {"metadata": metadata, "spec": {"template": template(*command), **spec}}


@dataclass
class Machine:
    """A kubelet that is looked over the shoulder."""

    folder: Path
    around: Surroundings
    objects: Objects
    kubelet: Kubelet = field(init=False)

    def __post_init__(self) -> None:
        self.reborn()

    def reborn(self) -> None:
        """Let another one go on where the last one was killed."""
        self.kubelet = Kubelet(self.folder, self.around)

    def until(self, seen: Callable[[], bool]) -> None:
        """Let it look until something is to be seen."""
        deadline = time.monotonic() + SECONDS
        while not seen():
            assert time.monotonic() < deadline, self.kubelet.problems
            self.kubelet.look()
            time.sleep(0.05)

    def runs(self) -> bool:
        return self.kubelet.service("memory-service").process.running

    def pid(self) -> int:
        file = self.folder / "services" / "memory-service" / "memory-service.pid"
        return int(file.read_text(encoding="utf-8"))

    def file(self, path: str) -> Path:
        return self.folder / "services" / "memory-service" / "root" / path


@pytest.fixture
def machine(
    azure: Azure, door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """A machine of a cluster whose memory service may read its secret."""
    monkeypatch.setattr("local.cloud.workloads.service.FIRST_PAUSE_SECONDS", 0.1)
    azure.grant(SECRETS_USER, SECRET_ID)
    objects = Objects(azure)
    objects.others = {
        f"secretproviderclasses/{CLASS}": secret_class(azure.client_id),
        "serviceaccounts/memory-service": account(azure.client_id),
        "configmaps/postgres-ca": config_map(),
    }
    around = Surroundings(
        api=cast(Api, objects),
        vaults=VaultReader(door, str(azure.folder / "ca" / "ca.pem")),
        variables={"PGPORT": "6543", "HTTPS_PROXY": door},
        tenant_id=TENANT,
    )
    made = Machine(tmp_path / "workloads", around, objects)
    yield made
    made.kubelet.stop()
    assert module.PROGRAMS.keys() == {"memory-service"}
