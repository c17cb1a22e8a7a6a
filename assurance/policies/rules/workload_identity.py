"""Who a pod is, in the cluster and for Azure: somebody of its own, and nobody else's somebody."""

import re
from collections import Counter
from collections.abc import Iterator

from assurance.policies.azure import IDENTITY
from assurance.policies.kubernetes import (
    ENDING,
    SECRET_CLASS,
    SERVICE_ACCOUNT,
    Pod,
    name_of,
    namespace_of,
    pods,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import shown, unlike

CREDENTIAL = "azure-native:managedidentity:FederatedIdentityCredential"
AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = re.compile(r"system:serviceaccount:(?P<namespace>[a-z0-9-]+):(?P<name>[a-z0-9.-]+)")
CLIENT = "azure.workload.identity/client-id"
WORKLOAD = "app.kubernetes.io/name"
SECRETS_STORE = "secrets-store.csi.k8s.io"


@resource_rule(
    CREDENTIAL,
    name="rbac-federation-narrow",
    title="An identity trusts one service account of one cluster",
    severity=Severity.HIGH,
    remediation=f"Set subject to system:serviceaccount:<namespace>:<name>, audience {AUDIENCE}.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6", "IA-9"),
)
def federation_narrow(credential: Resource) -> Iterator[str]:
    """Whoever is trusted is the identity."""
    subject = credential.get("subject")
    if not SUBJECT.fullmatch(shown(subject)):
        yield unlike("subject", subject, "system:serviceaccount:<namespace>:<name>")
    if list(credential.get("audiences") or ()) != [AUDIENCE]:
        yield unlike("audiences", credential.get("audiences"), f"{AUDIENCE} alone")
    if not shown(credential.get("issuer")).startswith("https://"):
        yield unlike("issuer", credential.get("issuer"), "the issuer's https address")


@stack_rule(
    name="rbac-federation-known",
    title="Every service account of the stack is trusted by one identity of the stack",
    severity=Severity.HIGH,
    remediation="Give each service account one identity, and each identity one account.",
    ai_rmf=("GOVERN 1.6", "MEASURE 2.7"),
    sp800_53=("AC-6", "IA-9"),
)
def federation_known(stack: Stack) -> Iterator[Fault]:
    """A subject that does not exist yet is whoever makes it first."""
    accounts = {
        f"system:serviceaccount:{namespace_of(account)}:{name_of(account)}": account
        for account in stack.of_type(SERVICE_ACCOUNT)
    }
    known = {identity.get("resourceName") for identity in stack.of_type(IDENTITY)}
    credentials = stack.of_type(CREDENTIAL)
    subjects = Counter(credential.get("subject") for credential in credentials)
    identities = Counter(credential.get("resourceName") for credential in credentials)
    for credential in credentials:
        subject, identity = credential.get("subject"), credential.get("resourceName")
        if subject not in accounts:
            yield credential, unlike("subject", subject, "a service account of the stack")
        if identity not in known:
            yield credential, unlike("resourceName", identity, "an identity of the stack")
        if subjects[subject] > 1:
            yield credential, f"{subjects[subject]} identities trust {subject}; allowed: one"
        if identities[identity] > 1:
            words = f"identity {identity} trusts {identities[identity]} accounts; allowed: one"
            yield credential, words
    for subject in accounts.keys() - subjects.keys():
        yield accounts[subject], f"no identity trusts {subject}; one is wanted"


@resource_rule(
    SERVICE_ACCOUNT,
    name="rbac-account-has-identity",
    title="A service account says which identity of Azure is its own",
    severity=Severity.LOW,
    remediation=f"Annotate it with {CLIENT}.",
    ai_rmf=("GOVERN 1.6",),
    sp800_53=("IA-9",),
)
def account_has_identity(account: Resource) -> Iterator[str]:
    """Otherwise a pod is somebody's, and the account does not say whose."""
    annotations = account.get("metadata.annotations") or {}
    if not annotations.get(CLIENT):
        yield unlike(f"annotation {CLIENT}", annotations.get(CLIENT), "a client id")


@stack_rule(
    name="pod-own-service-account",
    title="Every workload has a service account of its own",
    severity=Severity.HIGH,
    remediation="Declare a service account for it, and name it in serviceAccountName.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6", "IA-9"),
    checkov=("CKV_K8S_41", "CKV_K8S_42"),
)
def own_service_account(stack: Stack) -> Iterator[Fault]:
    """Who shares an account shares its secrets; the jobs of one workload wear one name."""
    accounts = {(namespace_of(found), name_of(found)) for found in stack.of_type(SERVICE_ACCOUNT)}
    users: dict[tuple[str, str], Pod] = {}
    for account in stack.of_type(SERVICE_ACCOUNT):
        if name_of(account) == "default":
            yield account, "metadata.name is default; allowed: the name of a workload"
    for pod in pods(stack):
        named = (pod.namespace, shown(pod.spec.get("serviceAccountName")))
        if named not in accounts:
            yield pod.owner, unlike("serviceAccountName", named[1], "an account of the stack")
        elif _worker(users.setdefault(named, pod)) != _worker(pod):
            other = name_of(users[named].owner)
            yield pod.owner, f"serviceAccountName is that of {other}; allowed: one's own"


def _worker(pod: Pod) -> str:
    """Return who works in a pod: of jobs the workload by its label, of others the owner."""
    own = pod.owner.urn
    return pod.labels.get(WORKLOAD, own) if pod.owner.type in ENDING else own


@stack_rule(
    name="pod-own-identity",
    title="A pod fetches its secrets as the identity of its own service account",
    severity=Severity.HIGH,
    remediation="Set clientID of the class to what the service account is annotated with.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6", "IA-9"),
)
def own_identity(stack: Stack) -> Iterator[Fault]:
    """As somebody else it reads what it has no business with."""
    classes = {
        (namespace_of(found), name_of(found)): found for found in stack.of_type(SECRET_CLASS)
    }
    accounts = {(namespace_of(a), name_of(a)): a for a in stack.of_type(SERVICE_ACCOUNT)}
    for pod in pods(stack):
        account = accounts.get((pod.namespace, shown(pod.spec.get("serviceAccountName"))))
        annotations = account.get("metadata.annotations") if account else None
        client = (annotations or {}).get(CLIENT)
        for name in classes_of(pod):
            found = classes.get((pod.namespace, name))
            if found is None:
                yield pod.owner, f"it mounts the class {name}, which the stack does not declare"
            elif not client or found.get("spec.parameters.clientID") != client:
                yield found, "spec.parameters.clientID is not that of the pod's service account"


def classes_of(pod: Pod) -> Iterator[str]:
    """Yield the names of the SecretProviderClasses that a pod mounts."""
    for volume in pod.spec.get("volumes") or ():
        csi = volume.get("csi") or {}
        if csi.get("driver") == SECRETS_STORE:
            yield shown((csi.get("volumeAttributes") or {}).get("secretProviderClass"))
