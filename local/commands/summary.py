"""What stands after `up`, how to reach it, and what was checked on the live system.

Every line of the checks is a measurement: of the connection, of the catalog, of
one query, of the key that the server's data key is wrapped with.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.markup import escape

from local.cloud.postgres import supervisor
from local.commands import headroom, policies, real_pods, workloads
from local.commands.checks import Check, ask
from local.commands.database import variables
from local.commands.session import table
from local.engine import Engine

PAST = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced"}
STACK_TYPE = "pulumi:pulumi:Stack"
SCHEMA_TYPE = "memory:VectorSchema"
PARAMETER_TYPE = "azure-native:dbforpostgresql:Configuration"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The result of `up`, without any secret."""

    changes: Mapping[str, int]
    resources: Mapping[str, int]
    """How many of each type stand."""
    reach: Mapping[str, str]
    """libpq's variables without the password."""
    waiting: tuple[str, ...]
    """The server's parameters that take effect with its next restart."""
    sizing: Mapping[str, Any] | None
    """The room that is left, as the stack's outputs have it; None with a customer's server."""
    policies: policies.Verdict
    """What the rules say of the state that came of it."""
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds; what the rules may stop, they stopped before."""
        return all(check.ok for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for ``--json``."""
        return {
            "changes": dict(self.changes),
            "resources": dict(self.resources),
            "reach": dict(self.reach),
            "waiting": list(self.waiting),
            "sizing": self.sizing,
            "policies": self.policies,
            "checks": [vars(check) for check in self.checks],
        }


def collect(engine: Engine) -> Summary:
    """Look at the stack that was just brought up."""
    outputs = engine.outputs()
    way = variables(engine.stack, outputs, engine.extra)
    deployment = engine.deployment()
    return Summary(
        changes=engine.last_changes(),
        resources=count_types(deployment),
        reach={name: value for name, value in way.items() if name != "PGPASSWORD"},
        waiting=tuple(waiting(deployment)),
        sizing=sizing(deployment),
        policies=policies.judge_state(engine),
        checks=(
            *verify_databases(way, desired_schemas(deployment)),
            *verify_key(outputs),
            *verify_cluster(engine, outputs),
            *real_pods.verify(engine.paths, engine.stack),
        ),
    )


def count_types(deployment: Mapping[str, Any]) -> dict[str, int]:
    """Count real resources by type; providers and components stand for nothing."""
    resources = deployment.get("resources") or []
    counted = Counter(
        entry["type"]
        for entry in resources
        if entry.get("custom") and ":providers:" not in entry["type"]
    )
    return dict(sorted(counted.items()))


def waiting(deployment: Mapping[str, Any]) -> dict[str, str]:
    """Return the URN of each server parameter that waits for a restart, by its name."""
    return {
        entry["outputs"]["name"]: entry["urn"]
        for entry in deployment.get("resources") or []
        if entry["type"] == PARAMETER_TYPE and entry["outputs"].get("isConfigPendingRestart")
    }


def sizing(deployment: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the room that the stack has left, as its state has it; None where it says nothing."""
    for entry in deployment.get("resources") or []:
        if entry["type"] == STACK_TYPE:
            found: Mapping[str, Any] | None = (entry.get("outputs") or {}).get("sizing")
            return found
    return None


def desired_schemas(deployment: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the schemas that the program wanted, as the state has them, by their database."""
    return {
        entry["inputs"]["database"]: entry["inputs"]["desired"]
        for entry in deployment.get("resources") or []
        if entry["type"].endswith(SCHEMA_TYPE)
    }


def verify_databases(
    way: Mapping[str, str], desired: Mapping[str, Mapping[str, Any]]
) -> Iterator[Check]:
    """Prove every database of ours; its name stands before each check."""
    for database, schema in desired.items():
        for check in verify_database({**way, "PGDATABASE": database}, schema):
            yield replace(check, name=f"{database}: {check.name}")


def verify_database(way: Mapping[str, str], desired: Mapping[str, Any]) -> tuple[Check, ...]:
    """Ask the data plane's own tool to prove the live database, over the given way."""
    command = ("memory", "schema", "verify", "--json", "--desired", "/dev/stdin")
    return ask(*command, given=desired, environment=way, subject="database")


def verify_key(outputs: Mapping[str, Any]) -> tuple[Check, ...]:
    """Read from the local cloud which key version holds the data key of the server."""
    if outputs["postgres"]["id"] is None:  # an existing server's encryption is its owner's
        return ()
    servers = {server.name: server for server in supervisor.status()}
    server = servers.get(outputs["postgres"]["name"])
    wanted = outputs["encryption_key"]["uri"]
    return (judge_key(wanted, server.key_uri if server else None),)


def verify_cluster(engine: Engine, outputs: Mapping[str, Any]) -> tuple[Check, ...]:
    """Prove that what runs in the cluster is what was meant to."""
    file = workloads.kubeconfig(engine.paths, engine.stack, outputs)
    return workloads.verify(file, outputs["cluster"]["namespace"], engine.paths)


def judge_key(wanted: str, used: str | None) -> Check:
    """Compare the version that is used with the stack's versionless key."""
    key, _, version = (used or "none").rpartition("/")
    ok = key == wanted.rstrip("/")
    found = f"{key}, version {version}" if ok else used or "none"
    return Check(name="encryption key", ok=ok, found=found, wanted=f"a version of {wanted}")


def show(console: Console, report: Mapping[str, Any]) -> None:
    """Print the summary for people."""
    stack, reach = report["stack"], report["reach"]
    changes = [
        f"{number} {PAST.get(kind, kind)}"
        for kind, number in report["changes"].items()
        if kind != "same"
    ]
    words = ", ".join(changes) or "nothing had to change"
    console.print(f"\n[bold]{stack}[/bold] stands after {report['seconds']} s; {words}")
    standing = table("resource", "number")
    for name, number in report["resources"].items():
        standing.add_row(name, str(number))
    console.print(standing)
    console.print(
        f"\n[bold]reach[/bold]  make psql STACK={stack}\n"
        f"       {reach['PGUSER']} at {reach['PGHOST']}, database {reach['PGDATABASE']}, "
        f"{_passage(reach)}; CA {reach['PGSSLROOTCERT']}\n"
    )
    if report["waiting"]:
        names = ", ".join(report["waiting"])
        console.print(f"[bold]waiting[/bold] for `make restart STACK={stack}`: {names}\n")
    headroom.show(console, report["sizing"])
    policies.show(console, report["policies"])
    checks = table("check", "", "found")
    for check in report["checks"]:
        mark = "[green]ok[/green]" if check["ok"] else "[red]NO[/red]"
        wanted = "" if check["ok"] else f"; wanted {check['wanted']}"
        checks.add_row(check["name"], mark, escape(check["found"] + wanted))
    console.print(checks)


def _passage(reach: Mapping[str, str]) -> str:
    """Say where a client connects: to an address in between, or to the server itself."""
    address, port = reach.get("PGHOSTADDR"), reach["PGPORT"]
    return f"through {address}:{port}" if address else f"port {port}"
