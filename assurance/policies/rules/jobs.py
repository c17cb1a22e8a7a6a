"""Jobs: they end, they are tried again a few times, and no two of a kind run at once."""

from collections.abc import Iterator

from assurance.policies.azure import is_number
from assurance.policies.kubernetes import CRON_JOB, JOB
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import must_be, unlike

LONGEST_SECONDS = 7 * 24 * 3600
MOST_TRIES = 6
"""Kubernetes' own default."""
LONGEST_DELAY_SECONDS = 24 * 3600
MOST_KEPT = 10
SPECIFICATION = {JOB: "spec", CRON_JOB: "spec.jobTemplate.spec"}
"""Where each says what a job is."""


@resource_rule(
    JOB,
    CRON_JOB,
    name="workload-job-ends",
    title="A job is stopped when it hangs, and given up when it fails again and again",
    severity=Severity.MEDIUM,
    remediation="Set activeDeadlineSeconds and backoffLimit of the job.",
    ai_rmf=("MANAGE 2.2", "MANAGE 2.4"),
    sp800_53=("SC-5",),
)
def job_ends(job: Resource) -> Iterator[str]:
    """Otherwise it holds its place, its connections and its locks for ever."""
    place = SPECIFICATION[job.type]
    for key, least, most in (
        ("activeDeadlineSeconds", 1, LONGEST_SECONDS),
        ("backoffLimit", 0, MOST_TRIES),
    ):
        found = job.get(f"{place}.{key}")
        if not is_number(found, least, most):
            yield unlike(f"{place}.{key}", found, f"{least} to {most}")


@resource_rule(
    CRON_JOB,
    name="workload-job-not-twice",
    title="A job that is late or long does not run beside its next one",
    severity=Severity.MEDIUM,
    remediation="Set concurrencyPolicy to Forbid, and startingDeadlineSeconds.",
    ai_rmf=("MANAGE 2.2",),
)
def job_not_twice(job: Resource) -> Iterator[str]:
    """Without a last moment to begin, a hundred missed times end the schedule for good."""
    yield from must_be(job.inputs, "spec.concurrencyPolicy", "Forbid")
    found = job.get("spec.startingDeadlineSeconds")
    if not is_number(found, 60, LONGEST_DELAY_SECONDS):
        yield unlike("spec.startingDeadlineSeconds", found, f"60 to {LONGEST_DELAY_SECONDS}")


@resource_rule(
    CRON_JOB,
    name="workload-job-leaves-traces",
    title="What the last jobs did and said can be read for a while, and not for ever",
    severity=Severity.LOW,
    remediation="Set successfulJobsHistoryLimit and failedJobsHistoryLimit.",
    ai_rmf=("MEASURE 2.4",),
    sp800_53=("AU-11",),
)
def job_leaves_traces(job: Resource) -> Iterator[str]:
    """Pods that have ended still count as objects of the cluster."""
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        found = job.get(f"spec.{key}")
        if not is_number(found, 1, MOST_KEPT):
            yield unlike(f"spec.{key}", found, f"1 to {MOST_KEPT}")
