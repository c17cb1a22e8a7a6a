"""Objects that the tests declare."""

from typing import Any

from local.cloud.arm import Body

CONTAINER: Body = {
    "name": "main",
    "image": "registry.example/app@sha256:" + "0" * 64,
    "env": [{"name": "EMPTY", "value": ""}],
    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
RESTRICTED: Body = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def manifest(kind: str, namespace: str, name: str, **rest: Any) -> Body:
    """Return an object as a program declares it; ``kind`` is such as ``apps/v1:Deployment``."""
    api_version, _, kind_name = kind.partition(":")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind_name, "metadata": metadata, **rest}


def pod(**spec: Any) -> Body:
    """Return a pod template that Pod Security takes; what is given beats it."""
    whole = {"hostNetwork": False, "securityContext": RESTRICTED, "containers": [CONTAINER]}
    return {"metadata": {"labels": {"app": "web"}}, "spec": {**whole, **spec}}


def deployment(namespace: str, *, replicas: int = 1, **spec: Any) -> Body:
    """Return a Deployment called ``web``."""
    return manifest(
        "apps/v1:Deployment",
        namespace,
        "web",
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": pod(**spec),
        },
    )


def config_map(namespace: str, **data: str) -> Body:
    """Return a ConfigMap called ``settings``."""
    return manifest("v1:ConfigMap", namespace, "settings", data=data)


def service(namespace: str, **spec: Any) -> Body:
    """Return a Service called ``web``, for the Deployment's pods."""
    ports = [{"port": 80, "targetPort": 8080}]
    spec = {"selector": {"app": "web"}, "ports": ports, **spec}
    return manifest("v1:Service", namespace, "web", spec=spec)


def widgets(group: str) -> Body:
    """Return the definition of a kind of one's own."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "x_kubernetes_preserve_unknown_fields": True},
        },
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [version],
        },
    }
