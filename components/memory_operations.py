"""The memory's jobs: they make and renew the keys of encrypted fields, and end old memories.

They run ``python -m memory`` of the memory service's image, each for itself: a Job at every
deployment that sees to the first keys, and CronJobs.  This module is the contract with it:

========================================  ======================================================
``PGHOST`` … ``PGSSLROOTCERT``,           as of the memory service, with its login
``ENGRAM_DATABASE_PASSWORD_FILE``
``ENGRAM_TABLE``, ``ENGRAM_DIMENSIONS``,  likewise
``ENGRAM_ISOLATION``, ``ENGRAM_TENANTS``
``ENGRAM_VECTOR_TYPE``,                   what ``verify`` proves: the type of the vectors, and the
``ENGRAM_VECTOR_INDEX``                   index on them as JSON: its method and how it is built
``ENGRAM_BACKUP_RETENTION_DAYS``          how long backups hold a row that was deleted, and a
                                          retired key is still needed; not set where unknown
``ENGRAM_FIELD_KEY_URI``,                 URI of the vault's key that wraps the fields' keys, and
``ENGRAM_FIELD_KEYS_SECRET_URI``          of the secret that holds them wrapped; without a version
``ENGRAM_ENCRYPTED_FIELDS``,              as of the memory service
``ENGRAM_BLIND_INDEXES``
``ENGRAM_RETENTION_EPISODIC_DAYS``,       after how many days a memory ends, by its type and by
``ENGRAM_RETENTION_SEMANTIC_DAYS``,       its tags (``phi=30,pii=365``), of which the shortest
``ENGRAM_RETENTION_SENSITIVITY_DAYS``     counts; not set where it is kept
``ENGRAM_ZEP_URL``,                       where what others remember of somebody is erased, by hand
``ENGRAM_ZEP_API_KEY_FILE``,              (``forget``); Graphiti asks for no key
``ENGRAM_GRAPHITI_URL``
========================================  ======================================================

Each may be killed at any moment, and goes on where it stopped.  Status 0 is done; 1 asks for a
decision, so that another try would be of no use; 2 is tried again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import batch, core, meta

from components.memory_access import (
    SECRETS_FOLDER,
    TRUST_FOLDER,
    Database,
    EncryptedFields,
    MemoryTable,
)
from components.replicas import (
    SKIP_AWAIT,
    checksum,
    metadata,
    mounted,
    scratch,
    template,
    variables,
    writable,
)
from components.trust import NAME as TRUST
from components.trust import PostgresTrust
from components.vault_secrets import ZEP_API_KEY
from components.workloads import PodIdentity, Size, Workload, Workspace, container_security

JOBS = Workload.MEMORY_OPERATIONS
ELSEWHERE = {
    "ENGRAM_ZEP_URL": f"http://{Workload.ZEP.label}:{Workload.ZEP.port}",
    "ENGRAM_ZEP_API_KEY_FILE": f"{SECRETS_FOLDER}/{ZEP_API_KEY}",
    "ENGRAM_GRAPHITI_URL": f"http://{Workload.GRAPHITI.label}:{Workload.GRAPHITI.port}",
}
"""Who else remembers."""
PROGRAM = ("python", "-m", "memory")
NEEDS_A_DECISION = 1
"""Exit status."""
TRIES = 3
"""Beside the first one."""
HOUR_SECONDS = 3600
LATEST_START_SECONDS = 12 * HOUR_SECONDS
"""How late a job may begin, after an outage of the cluster, before it waits for the next time."""
KEPT = 3
"""Jobs of each outcome that stay to be looked at."""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """After how many days memories end; what is not named here is kept."""

    days_by_type: Mapping[str, int]
    days_by_tag: Mapping[str, int]
    schedule: str
    """Cron, UTC."""

    @property
    def variables(self) -> dict[str, str]:
        """Return how the job is told; nothing where every memory is kept."""
        by_type = {
            f"ENGRAM_RETENTION_{kind.upper()}_DAYS": str(days)
            for kind, days in self.days_by_type.items()
        }
        tags = ",".join(f"{tag}={days}" for tag, days in self.days_by_tag.items())
        return {**by_type, **({"ENGRAM_RETENTION_SENSITIVITY_DAYS": tags} if tags else {})}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One job: its name, what it is told to do, and after how long it hangs."""

    name: str
    arguments: tuple[str, ...]
    longest_hours: int


FIELD_KEYS = Task(
    name="field-keys",
    arguments=("rotate-field-keys", "--ensure", "--yes", "--json"),
    longest_hours=1,
)
ROTATION = Task(
    name="rotate-field-keys",
    arguments=("rotate-field-keys", "--yes", "--json"),
    longest_hours=72,  # a hundred million rows; what is left waits for a quarter of a year
)
RETENTION = Task(
    name="retention",
    arguments=("retention", "--yes", "--json"),
    longest_hours=12,
)


@dataclass(frozen=True, kw_only=True)
class MemoryOperationsArgs:
    """What a caller decides."""

    workspace: Workspace
    identity: PodIdentity
    trust: PostgresTrust
    image: str
    database: Database
    table: MemoryTable
    encrypted: EncryptedFields | None
    """None where no field is: then there is no key to make or to renew."""
    rotation_schedule: str
    """Of the fields' keys: cron, UTC."""
    retention: Retention
    backup_retention_days: int | None
    """None where the server's owner knows it."""
    size: Size
    awaited: bool = True
    """Whether a deployment waits for the first keys; false while there is no image to make them,
    and then nothing runs by the clock either."""
    ready: Sequence[pulumi.Resource] = ()
    """What must stand before the first job: the table and its logins."""


class MemoryOperations(pulumi.ComponentResource):
    """A Job and CronJobs of one image, one identity and one size."""

    ready: list[pulumi.Resource]
    """What has ended before a pod of the service comes: it then finds keys."""

    def __init__(
        self, name: str, args: MemoryOperationsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:MemoryOperations", name, {}, opts)
        self._args = args
        self._name = name
        self.ready = []
        if args.encrypted is not None:
            self.ready.append(self._job(FIELD_KEYS))
            self._cron_job(ROTATION, args.rotation_schedule)
        if args.retention.variables:
            self._cron_job(RETENTION, args.retention.schedule)
        self.register_outputs({})

    def _job(self, task: Task) -> batch.v1.Job:
        about = metadata(JOBS, self._args.workspace, task.name)
        if not self._args.awaited:
            about.annotations = {SKIP_AWAIT: "true"}
        return batch.v1.Job(
            f"{self._name}-{task.name}", metadata=about, spec=self._spec(task), opts=self._options()
        )

    def _cron_job(self, task: Task, schedule: str) -> batch.v1.CronJob:
        labels = meta.v1.ObjectMetaArgs(labels=JOBS.labels)
        return batch.v1.CronJob(
            f"{self._name}-{task.name}",
            metadata=metadata(JOBS, self._args.workspace, task.name),
            spec=batch.v1.CronJobSpecArgs(
                schedule=schedule,
                time_zone="Etc/UTC",
                # The one that runs does what the next one would.
                concurrency_policy="Forbid",
                starting_deadline_seconds=LATEST_START_SECONDS,
                suspend=not self._args.awaited,
                successful_jobs_history_limit=KEPT,
                failed_jobs_history_limit=KEPT,
                job_template=batch.v1.JobTemplateSpecArgs(metadata=labels, spec=self._spec(task)),
            ),
            opts=self._options(),
        )

    def _options(self) -> pulumi.ResourceOptions:
        args = self._args
        after = [args.trust.config_map, *args.identity.ready, *args.ready]
        return args.workspace.options(self, after)

    def _spec(self, task: Task) -> batch.v1.JobSpecArgs:
        return batch.v1.JobSpecArgs(
            active_deadline_seconds=task.longest_hours * HOUR_SECONDS,
            backoff_limit=TRIES,
            pod_failure_policy=_failures(),
            template=self._pod(task),
        )

    def _pod(self, task: Task) -> core.v1.PodTemplateSpecArgs:
        args = self._args
        return template(
            JOBS,
            args.workspace,
            args.identity,
            checksum=checksum(args.trust.checksum),
            containers=[self._container(task)],
            # A new pod for each try, so that what the last one said can still be read.
            restart_policy="Never",
            # One pod: nothing to spread.
            topology_spread_constraints=None,
            volumes=[args.identity.volume(), args.trust.volume(), scratch("tmp", "64Mi")],
        )

    def _container(self, task: Task) -> core.v1.ContainerArgs:
        args = self._args
        return core.v1.ContainerArgs(
            name=JOBS.label,
            image=args.image,
            command=list(PROGRAM),
            args=list(task.arguments),
            env=variables(dict(self._environment())),
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[
                mounted("secrets", SECRETS_FOLDER),
                mounted(TRUST, TRUST_FOLDER),
                writable("tmp", "/tmp"),  # noqa: S108 - the pod's own
            ],
        )

    def _environment(self) -> Iterator[tuple[str, pulumi.Input[str]]]:
        args = self._args
        yield from args.database.variables(JOBS).items()
        yield from {**args.table.variables, **args.table.shape}.items()
        if args.backup_retention_days is not None:
            yield "ENGRAM_BACKUP_RETENTION_DAYS", str(args.backup_retention_days)
        if args.encrypted is not None:
            yield "ENGRAM_FIELD_KEY_URI", args.encrypted.key_uri
            yield "ENGRAM_FIELD_KEYS_SECRET_URI", args.encrypted.secret_uri
            yield from args.encrypted.variables.items()
        yield from args.retention.variables.items()
        yield from ELSEWHERE.items()


def _failures() -> batch.v1.PodFailurePolicyArgs:
    """Return which ends of a pod end its job, and which do not count as a try."""
    decision = batch.v1.PodFailurePolicyOnExitCodesRequirementArgs(
        container_name=JOBS.label, operator="In", values=[NEEDS_A_DECISION]
    )
    evicted = batch.v1.PodFailurePolicyOnPodConditionsPatternArgs(
        type="DisruptionTarget", status="True"
    )
    return batch.v1.PodFailurePolicyArgs(
        rules=[
            batch.v1.PodFailurePolicyRuleArgs(action="FailJob", on_exit_codes=decision),
            batch.v1.PodFailurePolicyRuleArgs(action="Ignore", on_pod_conditions=[evicted]),
        ]
    )
