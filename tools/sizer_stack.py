"""What the sizer takes from a stack file, and what it writes back."""

import dataclasses
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, get_args

from sizing.catalogue import STORAGE
from sizing.cli import StackFacts
from sizing.errors import SizingError
from sizing.latency import PROBES
from sizing.mission import Environment
from sizing.recommend import SERIES, Recommendation
from sizing.workload import Hnsw, Workload
from stacks.settings.budget import shares
from stacks.settings.model import ManagedPostgres
from stacks.settings.sizing import workload_of
from tools.stack_file import StackFile, StackFileError, read, update

ROOT = Path(__file__).parent.parent
OF_THE_TABLE = ("dimensions", "element_type", "index")
"""What a workload says of the memory table; the rest is under ``workload``."""
STANDING = (
    "a server that stands already is resized by `python tools/resize.py apply --stack {stack}`:"
    " while its disk grows by itself, `up` leaves the disk's size and tier alone"
)


class StackFiles:
    """The stack files of the clone, and any other that is named."""

    def facts(self, environment: Environment, path: Path | None) -> StackFacts:
        """Read a stack file: the server's standby and generation, what its pods connect."""
        settings = _read(path or ROOT / f"Pulumi.{environment}.yaml").draft()
        try:
            server, load = settings.postgres, workload_of(settings)
            app = settings.connections.application
            managed = server if isinstance(server, ManagedPostgres) else None
            return StackFacts(
                connections_needed=sum(shares(settings).values()),
                high_availability=managed.high_availability.mode if managed else "Disabled",
                series=(managed.size.series if managed else "") or SERIES,
                region=settings.azure.location,
                pools={
                    "a replica of the memory service": app.model_dump(exclude={"replicas"}),
                    "PgBouncer": settings.connections.pooler.model_dump(),
                },
                memory={name: getattr(load, name) for name in OF_THE_TABLE},
            )
        except AttributeError as error:
            raise SizingError(
                f"{path or environment}: its settings have mistakes that hide {error.name}"
            ) from error

    def environment(self, path: Path) -> Environment:
        """Tell whose file it is, by its name."""
        name = _read(path).stack
        environments: tuple[Environment, ...] = get_args(Environment)
        for environment in environments:
            if name == environment:
                return environment
        raise SizingError(f"{path}: allowed are the files of {', '.join(environments)}")

    def write(self, path: Path, recommendation: Recommendation, today: date) -> Sequence[str]:
        """Write load, server and table; what is already so is left alone."""
        if recommendation.outgrown:
            raise SizingError(
                f"{path}: not written, as no single server holds this load; the advice tells which"
                " settings would"
            )
        changes = _changes(_read(path), recommendation, today)
        try:
            done = update(path, changes)
        except StackFileError as error:
            why = str(error).replace(f"{path}: ", "")  # each line begins with it
            raise SizingError(f"{path}: not written: {why}") from error
        told = [line for change in done for line in (str(change), *map(str, change.remarks))]
        if any(change.path.startswith("postgres.") for change in done):
            told.append(STANDING.format(stack=_read(path).stack))
        return told or ["is already so"]


def _changes(file: StackFile, r: Recommendation, today: date) -> dict[str, object]:
    settings = file.settings
    server = _object(settings, "postgres")
    if server.get("kind") != "managed":
        raise SizingError(f"{file.path}: not written, as its server is the customer's own")
    if server.get("elastic_cluster") is not None:
        raise SizingError(f"{file.path}: not written, as its memory table is on nodes")
    now = _object(server, "storage").get("size_gib")
    size = max(r.disk.size_gib, now if isinstance(now, int) else 0)
    tier = r.storage_tier if size == r.disk.size_gib else STORAGE[size].default_tier
    return {
        **_stated(_object(settings, "workload"), r.workload, today),
        "postgres.sku": r.sku.name,
        "postgres.storage.size_gib": size,
        "postgres.storage.tier": tier,
        "postgres.high_availability.mode": r.wish.high_availability,
        **_table(file, r.workload),
    }


def _stated(present: dict[str, Any], workload: Workload, today: date) -> dict[str, object]:
    """Each figure that the file has, and those of the others that are not the default.

    New figures are of today.
    """
    figures = {
        field.name: getattr(workload, field.name)
        for field in dataclasses.fields(Workload)
        if field.name not in OF_THE_TABLE
        and (field.name in present or getattr(workload, field.name) != field.default)
    }
    changed = any(present.get(name) != value for name, value in figures.items())
    if changed:
        figures["as_of"] = today.isoformat()
    return {f"workload.{name}": value for name, value in figures.items()}


def _table(file: StackFile, workload: Workload) -> dict[str, object]:
    """The table and its index; their other settings stay."""
    present, index = _object(file.settings, "memory"), workload.index
    if index is None:
        raise SizingError(
            f"{file.path}: not written, as the memory table of a stack has an index; drop"
            " --index none"
        )
    options = dataclasses.asdict(index)
    method = "hnsw" if isinstance(index, Hnsw) else "ivfflat"
    changes: dict[str, object] = {
        "memory.dimensions": workload.dimensions,
        "memory.element_type": workload.element_type,
    }
    if _object(present, "index").get("method") == method:
        return changes | {f"memory.index.{name}": value for name, value in options.items()}
    search = {"ef_search": 40} if method == "hnsw" else {"probes": PROBES}
    return changes | {"memory.index": {"method": method, **options, **search}}


def _object(parent: Any, key: str) -> dict[str, Any]:
    found = parent.get(key)
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> StackFile:
    try:
        return read(path)
    except StackFileError as error:
        raise SizingError(str(error)) from error
