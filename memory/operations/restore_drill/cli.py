"""``python -m memory restore-drill``: prove that a backup can be restored, and in what time."""

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory.operations.azure import Azure, FlexibleServer
from memory.operations.console import Console
from memory.operations.frame import CODES, DECIDE, DONE, add_order, carry_out
from memory.operations.records import digest, recorded
from memory.operations.restore_drill.drill import (
    OPERATION,
    Drill,
    Outcome,
    alone,
    as_data,
    leftovers,
    remove,
)
from memory.operations.restore_drill.marker import Marker, find_marker, make_marker
from memory.operations.servers import add_server, second
from memory.operations.tenants import Place, open_base, places
from memory.schema.cli import CONNECTION
from memory.schema.connection import Session

SETTLE_SECONDS = 300.0
"""Azure's log reaches the backups with this delay."""
ABOUT = (
    "It counts the rows, while writers wait for some seconds, and enters them in the books of"
    " operations; restores that instant to a new server, reaches it by its own name over verified"
    " TLS, holds rows, books, indexes, searches and encrypted fields against what was known, and"
    " removes the server. What a killed drill has left is removed by the next, or by --clean."
    " Who asks is azure-identity's business; Contributor on the resource group is needed. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``restore-drill`` to a parser."""
    parser = commands.add_parser(
        "restore-drill",
        help="restore a backup to a new server, prove it, and remove it",
        description=ABOUT,
        epilog=CODES + CONNECTION,
    )
    parser.set_defaults(command=run)
    add_order(parser)
    add_server(parser)
    parser.add_argument(
        "--marker",
        type=int,
        metavar="POSITION",
        help="restore the instant of an earlier entry restore-marker; default: a new one",
    )
    parser.add_argument("--mark", action="store_true", help="only make the entry, for a later one")
    parser.add_argument("--clean", action="store_true", help="only remove what a drill has left")
    parser.add_argument(
        "--settle-seconds",
        type=float,
        default=SETTLE_SECONDS,
        help="between a new entry and its restore; default: %(default)g, Azure's delay",
    )
    parser.add_argument(
        "--pause-seconds",
        type=float,
        default=5.0,
        help="that counting may take, and writers wait; default: %(default)g",
    )
    parser.add_argument(
        "--sample", type=int, default=100, help="encrypted rows to decrypt; default: %(default)s"
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="write the result here")


def run(arguments: argparse.Namespace) -> int:
    """Plan, mark, clean, or drill."""
    return carry_out(arguments, _restore_drill)


def _restore_drill(arguments: argparse.Namespace, console: Console) -> int:
    azure = Azure(heard=console.note_line)
    source = azure.server(arguments.server)
    left, where = leftovers(azure, source), places()
    if not arguments.yes:
        return _plan(source, left, where, arguments, console)
    with open_base() as base, alone(base):
        for server in left:
            console.note_line(f"removing {server.name}, which a drill has left")
            with recorded(base, "restore-drill-clean", {"server": server.id}):
                remove(azure, server)
        if arguments.clean:
            names = [server.name for server in left]
            console.result({"removed": names}, f"removed: {', '.join(names) or 'nothing'}\n")
            return DONE
        marker = _marker(base, where, arguments)
        if arguments.mark:
            console.result({"marker": marker.as_data()}, f"entry {marker.position} is made\n")
            return DONE
        return _drilled(azure, source, where, marker, base, arguments, console)


def _marker(base: Session, where: list[Place], arguments: argparse.Namespace) -> Marker:
    if arguments.marker is not None:
        return find_marker(base, arguments.marker)
    return make_marker(where, arguments.pause_seconds)


def _drilled(  # noqa: PLR0913, PLR0917 - what the parts of a drill share
    azure: Azure,
    source: FlexibleServer,
    where: list[Place],
    marker: Marker,
    base: Session,
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    began = datetime.now(UTC)
    with recorded(base, OPERATION, {"server": source.id, "marker": marker.position}) as result:
        _settle(marker, arguments, console)
        drill = Drill(
            azure=azure,
            source=source,
            places=where,
            marker=marker,
            sample=arguments.sample,
            heard=console.note_line,
        )
        outcome = drill.run()
        certificate = _certificate(source, marker, outcome, began)
        result.update(ok=outcome.ok, seconds=outcome.seconds, digest=certificate["digest"])
        result["failed"] = [check.name for check in outcome.checks if not check.ok]
    if arguments.certificate:
        arguments.certificate.write_text(json.dumps(certificate, indent=2) + "\n", "utf-8")
    console.result(certificate, _text(source, marker, outcome))
    return DONE if outcome.ok else DECIDE


def _settle(marker: Marker, arguments: argparse.Namespace, console: Console) -> None:
    """Wait until the log of a marker's instant is in the backups."""
    ripe = marker.point.timestamp() + arguments.settle_seconds
    while (left := ripe - time.time()) > 0:
        console.note_line(f"waiting {left:.0f} s for the log to reach the backups")
        time.sleep(min(left, 15.0))


def _certificate(
    source: FlexibleServer, marker: Marker, outcome: Outcome, began: datetime
) -> dict[str, Any]:
    """All that was found, sealed: the books of operations keep the digest."""
    told = {
        "format": 1,
        "operation": OPERATION,
        "server": source.id,
        "began": second(began),
        "marker": marker.as_data(),
        **as_data(outcome),
    }
    return {**told, "digest": digest(told)}


def _plan(
    source: FlexibleServer,
    left: list[FlexibleServer],
    where: list[Place],
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    names = [server.name for server in left]
    earliest = (source.properties.get("backup") or {}).get("earliestRestoreDate")
    plan = {
        "server": source.id,
        "state": source.state,
        "earliest": earliest,
        "private": source.is_private,
        "places": [str(place) for place in where],
        "left": names,
    }
    lines = [
        f"{source.name} is {source.state}; backups since {earliest or 'an unknown time'}",
        *(f"  {place}" for place in where),
        *(f"  {name} was left by a drill, and is removed first" for name in names),
    ]
    if not arguments.clean:
        lines += [
            f"Writers would wait for up to {arguments.pause_seconds:g} s; then a second server is"
            " made, looked at and removed: minutes to hours, and its price for that time."
        ]
    console.result(plan, "\n".join([*lines, "Nothing was done. To go ahead: --yes", ""]))
    return DECIDE


def _text(source: FlexibleServer, marker: Marker, outcome: Outcome) -> str:
    verdict = "was restored and proven" if outcome.ok else "was NOT proven"
    lines = [f"{source.name} as of {marker.as_data()['at']} {verdict}"]
    lines += [
        f"  {'ok ' if check.ok else 'NOT'} {check.name}: {check.found} (wanted: {check.wanted})"
        for check in outcome.checks
    ]
    took = ", ".join(f"{name} {seconds:g} s" for name, seconds in outcome.seconds.items())
    lines.append(f"  took: {took}")
    if outcome.left:
        lines.append(f"  {outcome.restored} is still there: {outcome.left}; --clean removes it")
    return "\n".join(lines) + "\n"
