"""What Check makes of a program's inputs: a name, a namespace, and else nothing."""

import hashlib
import secrets as random

from local.cloud.arm import UNKNOWN, Body, Refusal
from local.cloud.kubernetes.comparison import AUTONAMED, normal
from local.cloud.kubernetes.objects import (
    CLUSTER_SCOPED,
    Kind,
    annotation,
    has_unknown,
    metadata,
    name_of,
    namespace_of,
    pluck,
)
from local.cloud.provider import Checked, Declared

MANAGED_BY = "app.kubernetes.io/managed-by"
REPLACE_UNREADY = "pulumi.com/replaceUnready"


def check(declared: Declared, olds: Body, news: Body, namespace: str) -> Checked:
    """Return the inputs, named; raises ``UnsupportedError`` for a type that is not served."""
    Kind.of_type(declared.token)
    if news.get("metadata") == UNKNOWN:
        return Checked(news, [])
    known = news if has_unknown(news) else normal(news)
    inputs = {**known, "metadata": {**metadata(known)}}
    failures = [*_name(declared, olds, inputs), *_unserved(inputs)]
    if pluck(olds, "metadata", "labels", MANAGED_BY) == "pulumi":
        labels = {**(inputs["metadata"].get("labels") or {}), MANAGED_BY: "pulumi"}
        inputs["metadata"]["labels"] = labels
    if namespace and not namespace_of(inputs) and _namespaced(Kind.of(inputs), olds):
        inputs["metadata"]["namespace"] = namespace
    return Checked(inputs, failures)


def _name(declared: Declared, olds: Body, inputs: Body) -> list[Refusal]:
    """Name what the program left unnamed, and mark it so that a replacement gets another name."""
    if name_of(inputs):
        return []
    if metadata(inputs).get("generateName"):
        return [
            Refusal(
                "metadata.generateName",
                "Unsupported",
                "the `.metadata.generateName` field is not supported in Server-Side Apply mode",
            )
        ]
    if olds and annotation(olds, AUTONAMED) == "true":
        return _autoname(inputs, name_of(olds))
    if declared.autonaming == "DISABLE":
        return [Refusal("metadata.name", "MissingName", "automatic naming is disabled; name it")]
    seed = hashlib.sha512(declared.seed or random.token_bytes(32)).hexdigest()
    return _autoname(inputs, declared.proposed_name or f"{declared.name}-{seed[:8]}")


def _unserved(inputs: Body) -> list[Refusal]:
    if Kind.of(inputs).name != "Job" or annotation(inputs, REPLACE_UNREADY) != "true":
        return []
    text = f"the annotation {REPLACE_UNREADY} is not served locally: leave it out"
    return [Refusal("metadata.annotations", "Unsupported", text)]


def _autoname(inputs: Body, name: str) -> list[Refusal]:
    meta = inputs["metadata"]
    notes = meta.get("annotations") or {}
    meta["name"] = name
    if notes != UNKNOWN:
        meta["annotations"] = {**notes, AUTONAMED: "true"}
    return []


def _namespaced(kind: Kind, olds: Body) -> bool:
    """Tell whether an object of the kind lies in a namespace; what we cannot know, does.

    A custom object that lies in none gets rid of the namespace when it is applied.
    """
    if kind.built_in:
        return kind.name not in CLUSTER_SCOPED
    return not olds or bool(namespace_of(olds))
