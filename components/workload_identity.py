"""Who a pod is to Azure, and the vault's secrets that it may read.

A pod proves itself with the token that its cluster signs; there is no credential to keep.  Each
workload has an identity of its own, so that a broken one gives away its own secrets only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import managedidentity
from pulumi_kubernetes import core, meta

from components.grants import Grant, Role, make_identity, wait_for
from components.key_vault import KeyReference, VaultReference
from components.naming import Kind, azure_name
from components.placement import Placement
from components.secret_shelf import VaultSecret
from components.workloads import PodIdentity, Workload, Workspace

AUDIENCE = "api://AzureADTokenExchange"
CLIENT_ID = "azure.workload.identity/client-id"
SECRET_CLASS = "secrets-store.csi.x-k8s.io/v1"  # noqa: S105 - an API's version


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """What a caller decides."""

    workload: Workload
    workspace: Workspace
    oidc_issuer_url: pulumi.Input[str]
    placement: Placement
    subscription_id: str
    tenant_id: str
    vault: VaultReference
    secrets: Mapping[str, VaultSecret]
    """By alias, which is the name of the file in the pod."""
    variables: Sequence[str]
    """Aliases of those that a program reads as variables: keys of the synced Secret, and no others,
    because whoever may read Secrets of the namespace reads them."""
    revision: str
    """Of the secrets.  With another one, pods are replaced and what they read is made anew.

    The driver fills a Secret when the first pod mounts its class, and then looks again every two
    minutes: under the old name, a new pod would start with the old values.
    """
    grant_wait_seconds: int
    wraps_with: KeyReference | None = None
    """The key with which its program wraps and unwraps others; none, and it never asks Azure."""
    writes: Mapping[str, VaultSecret] = field(default_factory=dict)
    """By alias, secrets that its program reads and writes in the vault itself."""

    @property
    def secret_name(self) -> str:
        """Return what class and synced Secret are called."""
        return f"{self.workload.label}-{self.revision}"


class WorkloadIdentity(pulumi.ComponentResource):
    """Identity, trust in the pod's service account, a grant a thing, and what mounts secrets."""

    pod: PodIdentity

    def __init__(
        self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:WorkloadIdentity", name, {}, opts)
        identity = make_identity(name, args.placement, self._child())
        trust = self._trust(name, args, identity)
        known = self._grants(name, args, identity)
        account = self._service_account(name, args, identity)
        secret_class = self._secret_class(name, args, identity)
        self.pod = PodIdentity(
            service_account=args.workload.label,
            secret_class=args.secret_name,
            synced_secret=args.secret_name,
            ready=[trust, known, account, secret_class],
            acts=args.wraps_with is not None,
        )
        self.register_outputs({})

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _trust(
        self,
        name: str,
        args: WorkloadIdentityArgs,
        identity: managedidentity.UserAssignedIdentity,
    ) -> pulumi.Resource:
        subject = pulumi.Output.from_input(args.workspace.namespace).apply(
            lambda namespace: f"system:serviceaccount:{namespace}:{args.workload.label}"
        )
        return managedidentity.FederatedIdentityCredential(
            f"{name}-trust",
            resource_group_name=args.placement.resource_group_name,
            resource_name_=identity.name,
            federated_identity_credential_resource_name=azure_name(
                Kind.FEDERATED_CREDENTIAL, args.workload.label
            ),
            issuer=args.oidc_issuer_url,
            subject=subject,
            audiences=[AUDIENCE],
            opts=self._child(),
        )

    def _grants(
        self,
        name: str,
        args: WorkloadIdentityArgs,
        identity: managedidentity.UserAssignedIdentity,
    ) -> pulumi.Resource:
        grants = [
            Grant(
                role=role, to=identity, scope=scope, subscription_id=args.subscription_id
            ).declare(f"{name}-{what}-grant", self._child())
            for what, role, scope in _needs(args)
        ]
        return wait_for(f"{name}-grants-known", grants, args.grant_wait_seconds, self._child())

    def _service_account(
        self,
        name: str,
        args: WorkloadIdentityArgs,
        identity: managedidentity.UserAssignedIdentity,
    ) -> core.v1.ServiceAccount:
        return core.v1.ServiceAccount(
            f"{name}-account",
            metadata=meta.v1.ObjectMetaArgs(
                name=args.workload.label,
                namespace=args.workspace.namespace,
                labels=args.workload.labels,
                annotations={CLIENT_ID: identity.client_id},
            ),
            # No workload talks to the API server.
            automount_service_account_token=False,
            opts=args.workspace.options(self),
        )

    def _secret_class(
        self,
        name: str,
        args: WorkloadIdentityArgs,
        identity: managedidentity.UserAssignedIdentity,
    ) -> k8s.apiextensions.CustomResource:
        return k8s.apiextensions.CustomResource(
            f"{name}-secrets",
            api_version=SECRET_CLASS,
            kind="SecretProviderClass",
            metadata=meta.v1.ObjectMetaArgs(
                name=args.secret_name,
                namespace=args.workspace.namespace,
                labels=args.workload.labels,
            ),
            spec={
                "provider": "azure",
                "parameters": {
                    "clientID": identity.client_id,
                    "tenantId": args.tenant_id,
                    "keyvaultName": args.vault.name,
                    "objects": _objects(args.secrets),
                },
                **({"secretObjects": [_synced(args)]} if args.variables else {}),
            },
            opts=args.workspace.options(self),
        )


def _needs(args: WorkloadIdentityArgs) -> Iterator[tuple[str, Role, pulumi.Input[str]]]:
    """Yield what it needs: a name, a role, and the one thing on which it holds."""
    for alias, secret in args.secrets.items():
        yield alias, Role.SECRETS_USER, secret.id
    for alias, secret in args.writes.items():
        yield f"{alias}-writer", Role.SECRETS_OFFICER, secret.id
    if args.wraps_with is not None:
        yield "fields-key", Role.ENCRYPTION_USER, args.wraps_with.id


def _objects(secrets: Mapping[str, VaultSecret]) -> pulumi.Output[str]:
    """Return the list of secrets as the driver's Azure provider reads it: YAML within YAML."""
    return pulumi.Output.all(*(secret.name for secret in secrets.values())).apply(
        lambda names: "array:\n" + "".join(map(_object, names, secrets))
    )


def _object(secret_name: str, alias: str) -> str:
    return (
        f"  - |\n    objectName: {secret_name}\n    objectType: secret\n    objectAlias: {alias}\n"
    )


def _synced(args: WorkloadIdentityArgs) -> dict[str, object]:
    """Return the Secret that the driver keeps in step while a pod mounts the class."""
    return {
        "secretName": args.secret_name,
        "type": "Opaque",
        "labels": args.workload.labels,
        "data": [{"objectName": alias, "key": alias} for alias in args.variables],
    }
