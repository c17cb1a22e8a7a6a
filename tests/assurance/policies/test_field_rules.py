"""assurance/policies/rules/fields.py and jobs.py: keys of fields, and the jobs that renew them.

Each case changes one value of what the real program declares for prod.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

import pytest

from assurance.policies.azure import GRANT, KEY, SECRET
from assurance.policies.judge import judge_resource, judge_stack
from assurance.policies.model import Resource, Stack
from assurance.policies.rules import load
from tests.assurance.policies.samples import rules_of
from tests.assurance.recorded import stack

GONE: Final = object()
Case = tuple[str, str, str, object, str]

SERVICE, POD = "memory-service-pods", "spec:template:spec"
JOB, ROTATION = "memory-operations-field-keys", "memory-operations-rotate-field-keys"
IN_CRON = "spec:jobTemplate:spec"
TOKEN = "azure.workload.identity/use"
LABEL = f"spec:template:metadata:labels:{TOKEN}"
WRITER = "memory-operations-memory-field-keys-writer-grant"
USER = "memory-service-fields-key-grant"
CASES: list[Case] = [
    ("workload-job-ends", JOB, "spec:activeDeadlineSeconds", GONE, "activeDeadlineSeconds is not"),
    ("workload-job-ends", JOB, "spec:activeDeadlineSeconds", 10**7, "is 10000000; allowed: 1 to"),
    ("workload-job-ends", JOB, "spec:backoffLimit", GONE, "spec.backoffLimit is not set"),
    ("workload-job-ends", JOB, "spec:backoffLimit", 100, "backoffLimit is 100; allowed: 0 to 6"),
    ("workload-job-ends", ROTATION, f"{IN_CRON}:activeDeadlineSeconds", 0, "is 0; allowed: 1"),
    ("workload-job-not-twice", ROTATION, "spec:concurrencyPolicy", "Allow", "is Allow; allowed"),
    ("workload-job-not-twice", ROTATION, "spec:concurrencyPolicy", GONE, "Policy is not set"),
    ("workload-job-not-twice", ROTATION, "spec:startingDeadlineSeconds", GONE, "is not set"),
    ("workload-job-leaves-traces", ROTATION, "spec:failedJobsHistoryLimit", 0, "is 0; allowed: 1"),
    ("workload-job-leaves-traces", ROTATION, "spec:successfulJobsHistoryLimit", GONE, "is not set"),
    ("workload-job-not-suspended", ROTATION, "spec:suspend", True, "suspend is true; allowed: fal"),
    ("key-of-fields-renewed", ROTATION, "spec:schedule", "0 3 1 1,5,9 *", "is 0 3 1 1,5,9 *; allo"),
    ("key-of-fields-renewed", ROTATION, "spec:schedule", "0 3 1 6 *", "a time in every 3 months"),
    ("key-of-fields-renewed", ROTATION, "spec:schedule", "@yearly", "a time in every 3 months"),
    ("key-of-fields-renewed", ROTATION, "", GONE, "stack: no CronJob runs rotate-field-keys"),
    ("pod-azure-token", SERVICE, LABEL, GONE, f"label {TOKEN} is not set; allowed: true"),
    ("pod-azure-token", SERVICE, LABEL, "false", f"label {TOKEN} is false; allowed: true"),
    ("pod-azure-token", "graphiti-pods", LABEL, "true", "is true; allowed: not set"),
    ("rbac-narrow-scopes", WRITER, "scope", "/mock/engram-prod-vault", "allowed: one secret"),
]


def _name(who: str) -> str:
    return f"engram-prod-{who}"


def changed(who: str, path: str, value: object) -> Stack:
    """Return prod with one input of one resource changed; without a path, without the resource."""
    return Stack(tuple(_changed(stack("prod").resources, who, path, value)), "prod")


def _changed(
    resources: tuple[Resource, ...], who: str, path: str, value: object
) -> Iterator[Resource]:
    assert _name(who) in {found.name for found in resources}
    for found in resources:
        if found.name != _name(who):
            yield found
        elif path:
            raw = deepcopy(found.raw)
            _set(raw, path.split(":"), value)
            yield replace(found, raw=raw)


def _set(place: Any, path: list[str], value: object) -> None:
    *way, last = path
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value


def says(rule: str, given: Stack) -> list[str]:
    """Return what one rule finds wrong, with who it finds it in."""
    rules = [load()[rule]]
    singly = [found for it in given.resources for found in judge_resource(it, rules)]
    findings = [*singly, *judge_stack(given, rules)]
    return [
        f"{found.resource.name if found.resource else 'stack'}: {found.says}" for found in findings
    ]


@pytest.mark.parametrize(("rule", "who", "path", "value", "said"), CASES)
def test_what_is_weaker_is_noticed(
    rule: str, who: str, path: str, value: object, said: str
) -> None:
    found = says(rule, changed(who, path, value))
    assert [words for words in found if said in words], found


def _variable(name: str, value: str | None) -> Stack:
    """Return prod with a variable of the memory service changed, or without it."""
    (owner,) = [it for it in stack("prod").resources if it.name == _name(SERVICE)]
    (container,) = owner.raw["spec"]["template"]["spec"]["containers"]
    kept = [deepcopy(one) for one in container["env"] if one["name"] != name]
    env = kept if value is None else [*kept, {"name": name, "value": value}]
    return changed(SERVICE, f"{POD}:containers:0:env", env)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ENGRAM_ENCRYPTED_FIELDS", None, "ENGRAM_ENCRYPTED_FIELDS is not set; allowed: fields"),
        ("ENGRAM_ENCRYPTED_FIELDS", "", "ENGRAM_ENCRYPTED_FIELDS is empty; allowed: fields"),
        ("ENGRAM_FIELD_KEYS_FILE", None, "ENGRAM_FIELD_KEYS_FILE is not set; allowed: a secret"),
        ("ENGRAM_FIELD_KEYS_FILE", "/etc/engram/secrets/none", "allowed: a secret that it mounts"),
    ],
)
def test_a_service_that_encrypts_nothing_is_noticed(
    name: str, value: str | None, said: str
) -> None:
    (words,) = says("workload-encrypts-fields", _variable(name, value))
    assert said in words


def _more(who: str, name: str, **inputs: str) -> Stack:
    """Return prod with a copy of a resource, some of whose inputs are others."""
    declared = stack("prod").resources
    (found,) = [it for it in declared if it.name == _name(who) and it.type in {GRANT}]
    copy = replace(found, name=name, urn=f"{found.urn}-{name}", raw={**found.raw, **inputs})
    return Stack((*declared, copy), "prod")


def _id(who: str, kind: str) -> str:
    (found,) = [it for it in stack("prod").resources if it.name == _name(who) and it.type == kind]
    return found.id


def test_the_databases_key_is_not_for_pods() -> None:
    (words,) = says("key-of-fields-apart", _more(USER, "more", scope=_id("key", KEY)))
    assert words == "more: its scope is the key of engram-prod-server; allowed: a key for fields"


@pytest.mark.parametrize(
    ("principal", "scope", "said"),
    [
        ("zep-identity-principal", "memory-field-keys-secret", "2 identities may write it"),
        ("memory-operations-identity-principal", "zep-api-key-secret", "it may write 2 secrets"),
    ],
)
def test_a_second_writer_is_noticed(principal: str, scope: str, said: str) -> None:
    given = _more(WRITER, "more", principalId=_name(principal), scope=_id(scope, SECRET))
    (words,) = says("secret-one-writer", given)
    assert said in words


@pytest.mark.parametrize("rule", rules_of("fields", "jobs"))
def test_the_program_keeps_it(rule: str) -> None:
    found = says(rule, stack("prod"))
    assert {words.partition(": ")[0] for words in found} == KNOWN.get(rule, set())


KNOWN = {"workload-job-not-suspended": {_name(ROTATION)}}
"""No image is released; see exceptions.yaml."""


def test_jobs_of_one_workload_share_its_account_and_of_two_do_not() -> None:
    assert says("pod-own-service-account", stack("prod")) == []
    label = "spec:jobTemplate:spec:template:metadata:labels:app.kubernetes.io/name"
    (words,) = says("pod-own-service-account", changed(ROTATION, label, "somebody"))
    assert "serviceAccountName is that of" in words


def test_every_rule_has_been_seen_to_find_something() -> None:
    elsewhere = {"workload-encrypts-fields", "key-of-fields-apart", "secret-one-writer"}
    assert {case[0] for case in CASES} - {"rbac-narrow-scopes"} | elsewhere == set(
        rules_of("fields", "jobs")
    )
