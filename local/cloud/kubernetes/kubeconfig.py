"""The provider's configuration: which cluster, and when it is another one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local.cloud.arm import UNKNOWN, Body, Refusal
from local.cloud.kubernetes.errors import KubernetesError

ACTIVE = ("kubeconfig", "context", "cluster")
"""What decides which cluster is meant."""
IDENTIFIER = "clusterIdentifier"
AMBIENT = "KUBECONFIG"
# The environment's say where the program has none, as with the real plugin.
VARIABLES = {
    "deleteUnreachable": "PULUMI_K8S_DELETE_UNREACHABLE",
    "enableConfigMapMutable": "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE",
    "enablePatchForce": "PULUMI_K8S_ENABLE_PATCH_FORCE",
    "enableSecretMutable": "PULUMI_K8S_ENABLE_SECRET_MUTABLE",
    "enableServerSideApply": "PULUMI_K8S_ENABLE_SERVER_SIDE_APPLY",
    "upsertExistingObjects": "PULUMI_K8S_UPSERT_EXISTING_OBJECTS",
}
AWAIT_ALL = "PULUMI_K8S_AWAIT_ALL"


@dataclass(frozen=True)
class Settings:
    """The configuration of one provider, read."""

    kubeconfig: Body = field(default_factory=dict)
    context: str = ""
    namespace: str = "default"
    delete_unreachable: bool = False
    mutable: frozenset[str] = frozenset()
    """Kinds whose content may change without a replacement."""
    force: bool = False
    """Take fields over from other managers."""
    upsert: bool = False
    """Take over an object that stands already where one is to be made."""
    problem: str = ""
    """Why there is no kubeconfig; told when a cluster is really needed."""

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Settings":
        """Read the provider's configuration; a kubeconfig that is none is a problem for later."""
        try:
            config, problem = load(values.get("kubeconfig")), ""
        except KubernetesError as error:
            config, problem = {}, str(error)
        context = str(values.get("context") or config.get("current-context") or "")
        config = _with_cluster(config, context, str(values.get("cluster") or ""))
        switches = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
        return cls(
            kubeconfig=config,
            context=context,
            namespace=str(values.get("namespace") or _namespace(config, context)),
            delete_unreachable=_switch(values, "deleteUnreachable", default=False),
            mutable=frozenset(k for k, v in switches.items() if _switch(values, v, default=False)),
            force=_switch(values, "enablePatchForce", default=False),
            upsert=_switch(values, "upsertExistingObjects", default=False),
            problem=problem,
        )


def refusals(values: Mapping[str, Any]) -> list[Refusal]:
    """Return what of a configuration is not served locally."""
    found = []
    if not _switch(values, "enableServerSideApply", default=True):
        text = "only server-side apply is served locally; leave `enableServerSideApply` true"
        found.append(Refusal("enableServerSideApply", "Unsupported", text))
    for key in ("renderYamlToDirectory", "skipUpdateUnreachable"):
        if values.get(key) not in (None, "", "false", False, UNKNOWN):
            found.append(Refusal(key, "Unsupported", f"`{key}` is not served locally"))
    return found


def unheeded(values: Mapping[str, Any]) -> list[str]:
    """Return what of a configuration makes no difference locally, and does with the real plugin."""
    found = ["kubeClientSettings"] if values.get("kubeClientSettings") else []
    return [*found, AWAIT_ALL] if os.environ.get(AWAIT_ALL) else found


def load(given: Any) -> Body:
    """Return a kubeconfig given as content, as an object or as a path; ambient if not given.

    Raises ``KubernetesError`` where it is no kubeconfig.
    """
    if isinstance(given, dict):
        return given
    text = str(given or os.environ.get(AMBIENT) or Path.home() / ".kube" / "config")
    if "\n" not in text and len(text) < 4096 and Path(text).expanduser().is_file():  # noqa: PLR2004 - PATH_MAX
        text = Path(text).expanduser().read_text(encoding="utf-8")
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # Its words could quote a key.
        raise KubernetesError("the kubeconfig is not YAML") from error
    if not isinstance(config, dict) or not config.get("clusters"):
        raise KubernetesError("the kubeconfig names no cluster; set `kubeconfig` of the provider")
    return config


def changes(olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return which settings differ, and which of them mean another cluster.

    Kubernetes has no identity of a cluster: another server address, CA or name in the
    active context is another cluster, unless ``clusterIdentifier`` says it is the same.
    """
    differing = sorted(k for k in olds.keys() | news.keys() if olds.get(k) != news.get(k))
    identifiers = olds.get(IDENTIFIER), news.get(IDENTIFIER)
    replaces = [IDENTIFIER] if None not in identifiers and IDENTIFIER in differing else []
    open_ = [key for key in ACTIVE if news.get(key) == UNKNOWN]
    if open_:
        return open_[:1], [] if _same(identifiers) else [*replaces, open_[0]]
    before, after = _active(olds), _active(news)
    if before and after and before != after:
        replaces += [key for key in ACTIVE if key in differing]
    return differing, [] if _same(identifiers) else replaces


def _same(identifiers: tuple[Any, Any]) -> bool:
    return identifiers[0] is not None and identifiers[0] == identifiers[1]


def _active(values: Mapping[str, Any]) -> Body | None:
    """Return the cluster that a configuration points at, or ``None``."""
    if not values.get("kubeconfig"):
        return None
    try:
        config = load(values["kubeconfig"])
    except KubernetesError:
        return None
    context = str(values.get("context") or config.get("current-context") or "")
    name = values.get("cluster") or _named(config, "contexts", context).get("cluster")
    return _named(config, "clusters", str(name)) or None


def _namespace(config: Body, context: str) -> str:
    return str(_named(config, "contexts", context).get("namespace") or "default")


def _with_cluster(config: Body, context: str, cluster: str) -> Body:
    """Return the kubeconfig with the provider's choice of a cluster in its context."""
    if not cluster:
        return config
    contexts = [
        {**each, "context": {**each["context"], "cluster": cluster}}
        if each.get("name") == context
        else each
        for each in config.get("contexts") or []
    ]
    return {**config, "contexts": contexts}


def _named(config: Body, section: str, name: str) -> Body:
    for each in config.get(section) or []:
        if each.get("name") == name:
            found: Body = each.get(section.removesuffix("s")) or {}
            return found
    return {}


def _switch(values: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """Return a yes or no; the SDK hands it over as text."""
    given = values.get(key, os.environ.get(VARIABLES[key]))
    return default if given in (None, UNKNOWN) else str(given).lower() == "true"
