"""A cluster in the words that everything above it uses: ours and the customer's alike.

Nothing after this module asks whose cluster it is.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s
import yaml


@dataclass(frozen=True, kw_only=True)
class EncryptedDisks:
    """Disks are made with our key: the storage class is ours too."""

    disk_encryption_set_id: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ExistingStorageClass:
    """The customer's storage class, which encrypts with the customer's key."""

    name: str


@dataclass(frozen=True, kw_only=True)
class ClusterReference:
    """A cluster, whoever made it."""

    provider: k8s.Provider
    oidc_issuer_url: pulumi.Input[str]
    """Signs the tokens of its pods; Azure trades them for its own."""
    storage: EncryptedDisks | ExistingStorageClass
    pod_security_version: str
    """Of the standard that pods are held to, e.g. ``v1.36``; ``latest`` is the API server's own."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Where workloads go; none means any node."""
    ready: Sequence[pulumi.Resource] = ()
    """What must stand before a pod finds a node."""


RUNBOOK = "docs/runbooks/first-up-on-azure.md"
LOGIN_METHOD = "AAD_LOGIN_METHOD"
"""kubelogin's variable, which is stronger than the method in the kubeconfig."""


def kubernetes_provider(
    name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
) -> k8s.Provider:
    """Declare the way to a cluster; the kubeconfig stays a secret.

    Raises ``pulumi.RunError``, as soon as the kubeconfig is known, where nobody could log in.
    """
    return k8s.Provider(
        f"{name}-kubernetes",
        kubeconfig=pulumi.Output.secret(kubeconfig).apply(able_to_log_in),
        # Its names are fixed: replacing one would leave the pods without it for a moment.
        enable_config_map_mutable=True,
        # What was changed by hand is repaired, as the file says; an autoscaler's field is ignored.
        enable_patch_force=True,
        # An `up` that was killed between making an object and noting it goes on from there.
        upsert_existing_objects=True,
        opts=opts,
    )


def able_to_log_in(kubeconfig: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a kubeconfig whose log-in can succeed without anybody watching.

    One of AKS with Entra runs a program, and asks a person for a code where nothing else is said.
    The plugin would fail or hang on either, object by object and without a word of the cause.

    Raises ``pulumi.RunError``.
    """
    path = environment.get("PATH", os.defpath)
    for command, arguments in _logins(kubeconfig):
        if shutil.which(command, path=path) is None:
            raise pulumi.RunError(
                f"the kubeconfig logs in with {command!r}, which is not on PATH;"
                f" install it, see {RUNBOOK}"
            )
        if "devicecode" in arguments and not environment.get(LOGIN_METHOD):
            raise pulumi.RunError(
                f"the kubeconfig makes {command!r} ask a person for a code, and nobody would see"
                f" it; set {LOGIN_METHOD} to azurecli, workloadidentity or spn, see {RUNBOOK}"
            )
    return kubeconfig


def _logins(kubeconfig: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the programs that log in, with their arguments."""
    try:
        read = yaml.safe_load(kubeconfig)
    except yaml.YAMLError:
        # What is no kubeconfig is the plugin's to refuse; its text is a secret.
        return
    for user in (read.get("users") or ()) if isinstance(read, dict) else ():
        login = (user.get("user") or {}).get("exec")
        if login:
            yield login["command"], login.get("args") or ()


@dataclass(frozen=True, kw_only=True)
class ExistingCluster:
    """What its owner tells us of a cluster that stands."""

    kubeconfig: pulumi.Input[str]
    oidc_issuer_url: str
    storage_class: str
    node_selector: Mapping[str, str] = field(default_factory=dict)

    def reference(self, name: str) -> ClusterReference:
        """Refer to it; only the way to it is declared."""
        return ClusterReference(
            provider=kubernetes_provider(name, self.kubeconfig),
            oidc_issuer_url=self.oidc_issuer_url,
            storage=ExistingStorageClass(name=self.storage_class),
            pod_security_version="latest",
            node_selector=self.node_selector,
        )
