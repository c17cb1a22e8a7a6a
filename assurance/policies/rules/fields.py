"""Encrypted fields of memories: that they are, with whose keys, and how long each key is used."""

import re
from collections.abc import Iterator
from typing import Final

from assurance.policies.azure import GRANT, IDENTITY, SECRET
from assurance.policies.kubernetes import (
    CRON_JOB,
    DEPLOYMENT,
    SECRET_CLASS,
    SERVICE_ACCOUNT,
    Pod,
    name_of,
    namespace_of,
    pod_of,
    pods,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.rules.grants import CRYPTO_USER, SECRETS_OFFICER, USES, is_on_key, role_of
from assurance.policies.rules.workload_identity import CREDENTIAL, classes_of
from assurance.policies.words import must_not_be_on, shown, unlike

SERVICE: Final = "memory-service"
ENCRYPTED: Final = "ENGRAM_ENCRYPTED_FIELDS"
KEYS_FILE: Final = "ENGRAM_FIELD_KEYS_FILE"
RENEWAL: Final = "rotate-field-keys"
"""What the program that renews them is called with."""
LONGEST_MONTHS: Final = 3
CRON_PARTS: Final = 5
MONTH: Final = 3
"""Where a cron schedule has its months."""
TOKEN: Final = "azure.workload.identity/use"  # noqa: S105 - a label


@stack_rule(
    name="workload-encrypts-fields",
    title="The memory service encrypts sensitive fields with keys that it is given",
    severity=Severity.HIGH,
    remediation="Set field_encryption.enabled to true, and name the fields.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-28(1)",),
)
def encrypts_fields(stack: Stack) -> Iterator[Fault]:
    """Whoever reads the table, a backup of it or its log reads them otherwise."""
    for owner in stack.of_type(DEPLOYMENT):
        pod = pod_of(owner)
        for container in pod.containers():
            if container.given.get("name") != SERVICE:
                continue
            told = {one.get("name"): one.get("value") for one in container.given.get("env") or ()}
            if not told.get(ENCRYPTED):
                yield owner, unlike(ENCRYPTED, told.get(ENCRYPTED), "fields, e.g. pii,phi,secret")
            file = shown(told.get(KEYS_FILE))
            if file.rpartition("/")[2] not in _files(stack, pod):
                yield owner, unlike(KEYS_FILE, told.get(KEYS_FILE), "a secret that it mounts")


def _files(stack: Stack, pod: Pod) -> set[str]:
    """Return the names of the vault's secrets that a pod mounts."""
    classes = set(classes_of(pod))
    texts = (
        shown(found.get("spec.parameters.objects"))
        for found in stack.of_type(SECRET_CLASS)
        if namespace_of(found) == pod.namespace and name_of(found) in classes
    )
    return {alias for text in texts for alias in re.findall(r"objectAlias: (\S+)", text)}


@stack_rule(
    name="key-of-fields-apart",
    title="No program may use the key of the database or of the disks",
    severity=Severity.HIGH,
    remediation="Grant the key of the fields alone to identities that pods act as.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-6", "SC-12"),
)
def key_of_fields_apart(stack: Stack) -> Iterator[Fault]:
    """With it, whoever takes over a pod could open a stolen disk, too."""
    for grant in stack.of_type(GRANT):
        if role_of(grant) != CRYPTO_USER or not _is_to_a_pod(stack, grant):
            continue
        for kind, uri, _ in USES:
            for user in stack.of_type(kind):
                if is_on_key(stack, grant, user, uri):
                    yield grant, f"its scope is the key of {user.name}; allowed: a key for fields"


def _is_to_a_pod(stack: Stack, grant: Resource) -> bool:
    """Return whether the identity of a grant trusts a service account."""
    trusting = {credential.get("resourceName") for credential in stack.of_type(CREDENTIAL)}
    return any(
        identity.get("resourceName") in trusting
        and grant.refers("principalId", identity, own="principalId")
        for identity in stack.of_type(IDENTITY)
    )


@stack_rule(
    name="secret-one-writer",
    title="A secret of the vault has one writer at most, who can write no other",
    severity=Severity.HIGH,
    remediation="Grant Key Vault Secrets Officer to one identity, on one secret.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-6",),
)
def one_writer(stack: Stack) -> Iterator[Fault]:
    """Two writers overwrite each other; one who writes more can lock everybody out."""
    writers = [grant for grant in stack.of_type(GRANT) if role_of(grant) == SECRETS_OFFICER]
    for secret in stack.of_type(SECRET):
        beside = [grant for grant in writers if grant.refers("scope", secret)]
        if len(beside) > 1:
            yield secret, f"{len(beside)} identities may write it; allowed: one"
    for identity in stack.of_type(IDENTITY):
        held = [it for it in writers if it.refers("principalId", identity, own="principalId")]
        if len(held) > 1:
            yield identity, f"it may write {len(held)} secrets; allowed: one"


@stack_rule(
    name="key-of-fields-renewed",
    title="The keys of fields are renewed every quarter, and nobody has to remember it",
    severity=Severity.MEDIUM,
    remediation=f"Give a CronJob that runs {RENEWAL} a schedule with a month of each quarter.",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.3"),
    sp800_53=("SC-12",),
)
def renewed(stack: Stack) -> Iterator[Fault]:
    """A key that was lost unseen opens the memories of one quarter, not all."""
    jobs = [job for job in stack.of_type(CRON_JOB) if RENEWAL in _arguments(job)]
    if not jobs and any(_uses_a_key(stack, pod) for pod in pods(stack)):
        yield None, f"no CronJob runs {RENEWAL}; one is wanted"
    for job in jobs:
        schedule = shown(job.get("spec.schedule"))
        if _longest_gap(schedule) > LONGEST_MONTHS:
            yield job, unlike("spec.schedule", schedule, f"a time in every {LONGEST_MONTHS} months")


@resource_rule(
    CRON_JOB,
    name="workload-job-not-suspended",
    title="What is to run by the clock does",
    severity=Severity.MEDIUM,
    remediation="Name the memory service's image in images.memory_service.",
    ai_rmf=("MANAGE 2.3", "MANAGE 2.4"),
)
def not_suspended(job: Resource) -> Iterator[str]:
    """A job that was stopped for an afternoon is forgotten for a year."""
    yield from must_not_be_on(job.inputs, "spec.suspend")


def _arguments(job: Resource) -> list[str]:
    return [
        shown(one)
        for container in pod_of(job).containers()
        for one in (*(container.given.get("command") or ()), *(container.given.get("args") or ()))
    ]


def _longest_gap(schedule: str) -> int:
    """Return the most months between two times of a cron schedule; 12 of what is none."""
    parts = schedule.split()
    month = parts[MONTH] if len(parts) == CRON_PARTS else ""
    if month == "*":
        return 1
    named = sorted(int(one) for one in month.split(",") if one.isdecimal())
    again = [*named[1:], *(one + 12 for one in named[:1])]
    return max((later - one for one, later in zip(named, again, strict=True)), default=12)


@stack_rule(
    name="pod-azure-token",
    title="A pod gets a token of Entra where its program uses a key, and nowhere else",
    severity=Severity.MEDIUM,
    remediation=f"Label its template {TOKEN}: true where its identity has a grant on a key.",
    ai_rmf=("GOVERN 1.4", "MEASURE 2.7"),
    sp800_53=("AC-6", "IA-9"),
)
def azure_token(stack: Stack) -> Iterator[Fault]:
    """The driver fetches secrets in a pod's name; the pod itself needs no token for them."""
    for pod in pods(stack):
        found, wanted = pod.labels.get(TOKEN), _uses_a_key(stack, pod)
        if wanted and found != "true":
            yield pod.owner, unlike(f"label {TOKEN}", found, "true")
        if not wanted and found is not None:
            yield pod.owner, unlike(f"label {TOKEN}", found, "not set")


def _uses_a_key(stack: Stack, pod: Pod) -> bool:
    """Return whether the identity of a pod's account has a grant on a key."""
    account = next(
        (
            found
            for found in stack.of_type(SERVICE_ACCOUNT)
            if (namespace_of(found), name_of(found))
            == (pod.namespace, pod.spec.get("serviceAccountName"))
        ),
        None,
    )
    if account is None:
        return False
    subject = f"system:serviceaccount:{pod.namespace}:{name_of(account)}"
    names = {
        credential.get("resourceName")
        for credential in stack.of_type(CREDENTIAL)
        if credential.get("subject") == subject
    }
    holders = [it for it in stack.of_type(IDENTITY) if it.get("resourceName") in names]
    return any(
        role_of(grant) == CRYPTO_USER
        and any(grant.refers("principalId", it, own="principalId") for it in holders)
        for grant in stack.of_type(GRANT)
    )
