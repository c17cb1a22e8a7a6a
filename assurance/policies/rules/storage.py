"""Disks of pods: whose key encrypts them, who reads them, and what outlives a claim."""

from collections.abc import Iterator
from typing import Any

from assurance.policies.azure import CLUSTER, DISK_ENCRYPTION_SET
from assurance.policies.kubernetes import CLAIM, STATEFUL_SET, STORAGE_CLASS, name_of
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import at, must_be, must_be_on, must_have, unlike

OWN_KEY = ("EncryptionAtRestWithCustomerKey", "EncryptionAtRestWithPlatformAndCustomerKeys")


@resource_rule(
    DISK_ENCRYPTION_SET,
    name="storage-disk-encryption-set",
    title="A disk encryption set uses a key of ours, as an identity of ours",
    severity=Severity.HIGH,
    remediation="Give the set the stack's disk key, its identity, and encryption with it.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-12", "SC-28(1)"),
)
def disk_encryption_set(disks: Resource) -> Iterator[str]:
    """Everything else that encrypts disks names this set."""
    yield from must_be(disks.inputs, "encryptionType", *OWN_KEY)
    yield from must_be(disks.inputs, "identity.type", "UserAssigned")
    yield from must_have(disks.inputs, "identity.userAssignedIdentities", what="an identity")
    yield from must_have(disks.inputs, "activeKey.keyUrl", what="the URI of a key")


@resource_rule(
    DISK_ENCRYPTION_SET,
    name="storage-disk-key-rotates",
    title="Disks follow their key to its newest version",
    severity=Severity.MEDIUM,
    remediation="Set rotationToLatestKeyVersionEnabled to true.",
    ai_rmf=("MEASURE 2.7", "MANAGE 2.3"),
    sp800_53=("SC-12",),
)
def disk_key_rotates(disks: Resource) -> Iterator[str]:
    """Otherwise the vault rotates the key, and no disk uses the new one."""
    yield from must_be_on(disks.inputs, "rotationToLatestKeyVersionEnabled")


@stack_rule(
    name="storage-class-own-key",
    title="A storage class encrypts its disks with the stack's disk encryption set",
    severity=Severity.HIGH,
    remediation="Set diskEncryptionSetID and diskEncryptionType of the class's parameters.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-12", "SC-28(1)"),
    azure_policy=("7d7be79c-23ba-4033-84dd-45e2a5ccdd67",),
)
def class_own_key(stack: Stack) -> Iterator[Fault]:
    """The cluster's set covers the nodes' disks; those of claims are the class's business."""
    sets = stack.of_type(DISK_ENCRYPTION_SET)
    for found in stack.of_type(STORAGE_CLASS):
        if not any(_refers(found, known) for known in sets):
            yield found, "parameters.diskEncryptionSetID names no disk encryption set of the stack"
        for words in must_be(found.inputs, "parameters.diskEncryptionType", *OWN_KEY):
            yield found, words


def _refers(found: Resource, known: Resource) -> bool:
    return found.refers("parameters.diskEncryptionSetID", known)


@resource_rule(
    STORAGE_CLASS,
    name="storage-class-csi",
    title="Disks are made by Azure's CSI driver",
    severity=Severity.MEDIUM,
    remediation="Set provisioner to disk.csi.azure.com.",
    ai_rmf=("MANAGE 2.2",),
    azure_policy=("4f3823b6-6dac-4b5a-9c61-ce1afb829f17", "c5110b6e-5272-4989-9935-59ad06fdf341"),
)
def class_csi(found: Resource) -> Iterator[str]:
    """The drivers inside of Kubernetes are gone."""
    yield from must_be(found.inputs, "provisioner", "disk.csi.azure.com")


@resource_rule(
    STORAGE_CLASS,
    name="storage-class-no-export",
    title="Nobody downloads a pod's disk",
    severity=Severity.HIGH,
    remediation="Set networkAccessPolicy to DenyAll and publicNetworkAccess to Disabled.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("AC-4", "SC-7"),
)
def class_no_export(found: Resource) -> Iterator[str]:
    """A link to a disk's content needs no login."""
    yield from must_be(found.inputs, "parameters.networkAccessPolicy", "DenyAll", "AllowPrivate")
    yield from must_be(found.inputs, "parameters.publicNetworkAccess", "Disabled")


@resource_rule(
    STORAGE_CLASS,
    name="storage-class-retains",
    title="A disk outlives its claim",
    severity=Severity.MEDIUM,
    remediation="Set reclaimPolicy to Retain.",
    ai_rmf=("MANAGE 2.2", "MANAGE 2.3"),
)
def class_retains(found: Resource) -> Iterator[str]:
    """A claim is deleted in a second, and with it everything that was remembered."""
    yield from must_be(found.inputs, "reclaimPolicy", "Retain")


@stack_rule(
    name="storage-claim-own-class",
    title="Every claim names a storage class of the stack",
    severity=Severity.HIGH,
    remediation="Set storageClassName to the encrypted class.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-28(1)",),
)
def claim_own_class(stack: Stack) -> Iterator[Fault]:
    """The cluster's default class encrypts with Microsoft's key.

    In a cluster of somebody else's the class is theirs; it must be named all the same.
    """
    classes = {name_of(found) for found in stack.of_type(STORAGE_CLASS)}
    for resource, path, named in _claims(stack):
        if not named or (stack.of_type(CLUSTER) and named not in classes):
            allowed = " or ".join(sorted(classes)) or "the name of a class"
            yield resource, unlike(path, named, allowed)


def _claims(stack: Stack) -> Iterator[tuple[Resource, str, Any]]:
    for claim in stack.of_type(CLAIM):
        yield claim, "spec.storageClassName", claim.get("spec.storageClassName")
    for owner in stack.of_type(STATEFUL_SET):
        for index, claim in enumerate(owner.get("spec.volumeClaimTemplates") or ()):
            path = "spec.storageClassName"
            yield owner, f"spec.volumeClaimTemplates[{index}].{path}", at(claim, path)
