"""``python tools/resize.py``: the way out of a server that is too small.

plan says which ways there are and what each takes; apply writes the stack file, runs the engine
and waits; preflight asks the server whether it is fit for work.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from pydantic import ValidationError

from memory.schema.connection import from_environment
from memory.schema.errors import SchemaError
from memory.schema.model import DesiredSchema, zep_schema
from sizing.catalogue import SKUS
from stacks.memory_terms import desired_schema
from stacks.settings.budget import shares
from stacks.settings.model import ManagedPostgres, StackSettings
from tools import stack_file
from tools.resizing import journal as journals
from tools.resizing import resumption
from tools.resizing.errors import ResizeError
from tools.resizing.journal import Journal
from tools.resizing.perform import Site, perform, refuse_undeployable
from tools.resizing.preflight import SIZED, Check, Preflight, Wanted, preflight
from tools.resizing.reach import ROOT, outputs, variables, words
from tools.resizing.stages import PLANNED, Origin, Stage, Target, needs_restore, stages, ways
from tools.resizing.surroundings import ENGINE, OUTPUTS, own_file, settle
from tools.resizing.target import recommended

OK, FAILED, ERROR, STOPPED = 0, 1, 2, 130
ZEP_DATABASE = "zep"
OF_A_SERVER = ("PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE")
EPILOG = """\
without --sku and --storage-gib the target is what sizing recommends for the workload in the stack
file.  A run that was stopped goes on: `apply --stack <stack>`.  It has kept its target, the point
in time of a restore, file, engine and outputs, and refuses others.

exit codes: 0 done, 1 the server is not fit for work, 2 refused or failed, 130 stopped"""


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is made from it."""
    top = argparse.ArgumentParser(
        prog="python tools/resize.py",
        description=__doc__.split("\n\n", 1)[1] if __doc__ else None,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True)
    planning = verbs.add_parser("plan", help="say what is possible, and what it takes")
    applying = verbs.add_parser("apply", help="do it, or go on with what was stopped")
    checking = verbs.add_parser("preflight", help="ask the server whether it is fit for work")
    for verb, run in ((planning, _plan), (applying, _apply), (checking, _preflight)):
        verb.set_defaults(run=run)
        verb.add_argument("--stack", required=True, help="dev, test, uat or prod")
        verb.add_argument("--file", type=Path, help="default: Pulumi.<stack>.yaml")
        verb.add_argument("--json", action="store_true", help="one JSON document on stdout")
    for verb in (planning, applying):
        _add_target(verb)
    for verb in (applying, checking):
        _add_surroundings(verb)
    applying.add_argument(
        "--engine",
        help=f"what deploys the stack, run in the project's folder ({ENGINE}); with a --file of"
        " another folder it has to be said",
    )
    applying.add_argument("--journal", type=Path, help="default: .local/resize/<stack>.json")
    applying.add_argument(
        "--abandon",
        action="store_true",
        help="forget what was stopped, and say what of it stays in the file",
    )
    return top


def _add_target(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--sku", help="e.g. Standard_D4s_v3")
    verb.add_argument("--storage-gib", type=int, help="size of the disk; it never shrinks")
    verb.add_argument("--storage-tier", help="performance tier of the disk, e.g. P20")
    verb.add_argument(
        "--geo-redundant", action=argparse.BooleanOptionalAction, help="of backups; by a restore"
    )
    verb.add_argument("--zone", choices=("1", "2", "3"), help="of the server; by a restore")
    verb.add_argument("--restore", action="store_true", help="make a new server of a backup")
    verb.add_argument(
        "--point-in-time", help="of a restore: now (the default), or 2026-11-23T10:00:00Z"
    )


def _add_surroundings(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--outputs", help=f"what prints the stack's outputs, run as the engine is ({OUTPUTS})"
    )
    verb.add_argument(
        "--at-home", action="store_true", help="the local cloud: `make up` and its own outputs"
    )
    verb.add_argument(
        "--wait-seconds", type=float, default=900, help="for the server's answer (%(default)s)"
    )
    verb.add_argument(
        "--no-warm", dest="warm", action="store_false", help="do not read the index into memory"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen command and return its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser().parse_args(given)
    options.given = given[1:]
    try:
        return int(options.run(options))
    except (ResizeError, stack_file.StackFileError, SchemaError, OSError) as error:
        text = str(error)
    except psycopg.Error as error:
        text = " ".join((error.diag.message_primary or str(error)).split())
    except KeyboardInterrupt:
        _say("stopped; `apply` goes on from here" if options.verb == "apply" else "stopped")
        return STOPPED
    _say(text)
    return ERROR


def _plan(options: argparse.Namespace) -> int:
    settle(options)
    settings, server = _server(options)
    target = _target(options, settings, server)
    found = stages(server, target, _planned(options))
    refuse_undeployable(_site(options), found)
    if options.json:
        listed = [asdict(way) for way in ways(server, target)]
        document = {"target": asdict(target), "ways": listed, "stages": [asdict(s) for s in found]}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return OK
    sys.stdout.write("\n".join(_plan_lines(options, server, target, found)) + "\n")
    return OK


def _plan_lines(
    options: argparse.Namespace, server: ManagedPostgres, target: Target, found: Sequence[Stage]
) -> list[str]:
    lines = [f"{options.stack}: {server.sku}, {server.storage.size_gib} GiB"]
    lines += [
        f"  {'needed' if way.needed else '-':<6} {way.name}: {way.why}"
        for way in ways(server, target)
    ]
    if not found:
        return [*lines, "nothing to do: the server has the size that is asked for"]
    for number, stage in enumerate(found, 1):
        lines += [f"{number}. {stage.title}", f"   takes {stage.takes}", f"   {stage.source}"]
        lines += [f"   {path}: {_shown(value)}" for path, value in stage.changes.items()]
    again = shlex.join(["python", "tools/resize.py", "apply", *options.given])
    return [*lines, f"do it: {again}"]


def _shown(value: object) -> object:
    """Say what is only known when it is done."""
    if isinstance(value, Mapping) and value.get("server_id") == PLANNED.server_id:
        return {**value, "server_id": "the present server", "point_in_time": "--point-in-time"}
    return value


def _apply(options: argparse.Namespace) -> int:
    place = _place(options)
    with journals.alone(place):
        left = journals.load(place)
        if options.abandon:
            return _abandon(options, place, left)
        journal = _begun(options) if left is None else _resumed(options, left)
        perform(_site(options), journal, _say)
        code = _checked(options)
        if code == OK:
            place.unlink(missing_ok=True)
    return code


def _abandon(options: argparse.Namespace, place: Path, left: Journal | None) -> int:
    if left is None:
        _say("nothing was stopped")
        return OK
    try:
        settings = stack_file.read(Path(left.file), stack=options.stack).settings
    except stack_file.StackFileError as error:
        _say(str(error))
        settings = {}
    for line in resumption.abandoned(left, settings):
        _say(line)
    place.unlink()
    return OK


def _resumed(options: argparse.Namespace, left: Journal) -> Journal:
    """Return what an earlier run left, if this is the same resize."""
    resumption.refuse_another(left, _asked(options))
    settle(options, left)
    refuse_undeployable(_site(options), left.left)
    _say(f"going on after {left.done} of {len(left.stages)} stages")
    if resumption.restores(left):
        _say(
            f"the backup of {resumption.frozen_time(left)} is restored: what was written after it"
            " is not in the new server"
        )
    return left


def _begun(options: argparse.Namespace) -> Journal:
    chosen = options.engine is not None
    settle(options)
    if options.file != own_file(options.stack) and not chosen:
        raise ResizeError(
            f"--file {options.file}: found no --engine, and the project's own deploys"
            f" {own_file(options.stack)}; give the command that deploys this file with --engine"
        )
    settings, server = _server(options)
    target = _target(options, settings, server)
    planned = _planned(options)
    refuse_undeployable(_site(options), stages(server, target, planned))
    return Journal(
        asked=_asked(options),
        stages=stages(server, target, _origin(options, server, target, planned)),
        file=str(options.file),
        engine=options.engine,
        outputs=options.outputs,
    )


def _checked(options: argparse.Namespace) -> int:
    """Run the pre-flight in a process of its own, whose environment has the password."""
    told = ["--json"] if options.json else []
    told += [] if options.warm else ["--no-warm"]
    command = [sys.executable, str(ROOT / "tools" / "resize.py"), "preflight"]
    command += ["--stack", options.stack, "--file", str(options.file), *told]
    command += ["--outputs", options.outputs, "--wait-seconds", str(options.wait_seconds)]
    # After a restore, the host that the operator has set is the former server's.
    environment = {name: value for name, value in os.environ.items() if name not in OF_A_SERVER}
    return subprocess.run(command, env=environment, check=False).returncode


def _preflight(options: argparse.Namespace) -> int:
    settle(options)
    settings, server = _server(options)
    host = os.environ.get("PGHOST")
    if host is None:
        os.environ.update(variables(outputs(words(options.outputs, options.stack))))
    compared = () if host is None else (_compared(host, options),)
    report = preflight(
        from_environment(),
        _wanted(settings, server),
        wait_seconds=options.wait_seconds,
        warm=options.warm,
    )
    report = replace(report, checks=(*compared, *report.checks))
    _show(options, report)
    return OK if report.ok else FAILED


def _compared(host: str, options: argparse.Namespace) -> Check:
    """Say whose server the environment names: after a restore, the former one also answers."""
    name = "the server that was asked"
    try:
        own = variables(outputs(words(options.outputs, options.stack)))["PGHOST"]
    except ResizeError as error:
        return Check(
            name=name, ok=True, found=f"{host}, as PGHOST says", wanted="the stack's",
            advice=f"not compared with the stack's: {error}",
        )  # fmt: skip
    return Check(
        name=name,
        ok=host == own,
        found=f"{host}, as PGHOST says",
        wanted=f"the stack's, {own}: unset PGHOST; a tunnel is named by PGHOSTADDR",
    )


def _show(options: argparse.Namespace, report: Preflight) -> None:
    text = json.dumps(report.as_data(), indent=2) if options.json else "\n".join(report.lines())
    sys.stdout.write(text + "\n")


def _wanted(settings: StackSettings, server: ManagedPostgres) -> Wanted:
    return Wanted(
        sku=SKUS[server.sku],
        storage_gib=server.storage.size_gib,
        connections_needed=sum(shares(settings).values()),
        parameters={name: server.parameters[name] for name in SIZED if name in server.parameters},
        schemas=_schemas(settings, on_nodes=server.elastic_cluster is not None),
    )


def _schemas(settings: StackSettings, *, on_nodes: bool) -> dict[str, DesiredSchema]:
    """Return what is to be in the server's databases; the memory may be on nodes instead."""
    memory = {} if on_nodes else {settings.memory.database: desired_schema(settings.memory)}
    return {**memory, ZEP_DATABASE: zep_schema(extension_gate=True)}


def _server(options: argparse.Namespace) -> tuple[StackSettings, ManagedPostgres]:
    """Read the file as far as its shape is right: that it is refused may be why we are here."""
    file = stack_file.read(options.file, stack=options.stack)
    try:
        settings = file.shaped()
    except ValidationError:
        raise ResizeError("\n".join(str(mistake) for mistake in file.mistakes())) from None
    if not isinstance(settings.postgres, ManagedPostgres):
        raise ResizeError(
            f"{options.file.name}: found postgres.kind existing; whoever runs that server resizes"
            " it. State what it grants then in postgres.user_connections"
        )
    if settings.postgres.elastic_cluster is not None:
        _say("the memory table is on the nodes: their size is postgres.elastic_cluster's own")
    return settings, settings.postgres


def _target(
    options: argparse.Namespace, settings: StackSettings, server: ManagedPostgres
) -> Target:
    asked = {name: value for name, value in _asked(options).items() if value is not None}
    asked.pop("point_in_time", None)
    sized = asked.keys() & {"sku", "storage_gib", "storage_tier", "geo_redundant", "zone"}
    if sized or options.restore:
        return Target(**asked)
    return recommended(settings, server)


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    given = vars(options)
    names = ("sku", "storage_gib", "storage_tier", "geo_redundant", "zone")
    asked = {name: given[name] for name in names}
    when = options.point_in_time
    frozen = when if when in (None, "now") else _instant(when)
    return {**asked, "restore": options.restore or None, "point_in_time": frozen}


def _planned(options: argparse.Namespace) -> Origin:
    """Return what is known of a restore without the stack: its time."""
    return replace(PLANNED, point_in_time=_instant(options.point_in_time or "now"))


def _origin(
    options: argparse.Namespace, server: ManagedPostgres, target: Target, planned: Origin
) -> Origin:
    """Ask the stack which server it has, where a backup of it is to be restored."""
    if target.restore or needs_restore(server, target):
        found = outputs(words(options.outputs, options.stack))
        return replace(planned, server_id=_identity(found))
    if options.point_in_time is not None:
        raise ResizeError("--point-in-time: found no restore that it is of; add --restore")
    return planned


def _identity(found: Mapping[str, Any]) -> str:
    identity = found["postgres"].get("id")
    if not isinstance(identity, str):
        raise ResizeError("the stack's outputs name no server of its own; bring the stack up first")
    return identity


def _instant(text: str) -> str:
    """Return a time as Azure wants it."""
    try:
        moment = datetime.now(UTC) if text == "now" else datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - without an offset, and so refused with the others
    if moment.tzinfo is None:
        raise ResizeError(
            f"--point-in-time {text}: allowed are now and a time with its offset, such as"
            " 2026-11-23T10:00:00Z"
        )
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _place(options: argparse.Namespace) -> Path:
    folder = Path(os.environ.get("ENGRAM_LOCAL", ROOT / ".local")) / "resize"
    return getattr(options, "journal", None) or folder / f"{options.stack}.json"


def _site(options: argparse.Namespace) -> Site:
    return Site(
        file=options.file,
        stack=options.stack,
        journal=_place(options),
        engine=words(options.engine, options.stack),
        stdout_is_ours=options.json,
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
