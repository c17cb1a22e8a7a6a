"""``python -m memory forget``: what is to go, its end, and the certificate."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory.operations.console import Console
from memory.operations.forget.erasure import Backups, Erasure
from memory.operations.forget.errors import SubjectUnclear
from memory.operations.forget.subject import Holdings, Scope, Subject
from memory.operations.forget.systems import Graph, Zep
from memory.operations.frame import CODES, DECIDE, DONE, add_order, carry_out
from memory.operations.records import Record
from memory.operations.tenants import (
    DEFAULT,
    Place,
    isolation,
    open_base,
    open_place,
    places,
)
from memory.schema.cli import CONNECTION
from memory.schema.connection import Session

LOCK_KEY = (0x656E6772, 0x666F7267)
"""``engram`` and ``forg`` as two 32-bit numbers: what pg_locks shows as classid and objid."""
LOCK_SECONDS = 10.0
"""A killed run's session ends within a moment."""
POSTGRES_DAYS, GRAPH_DAYS = "ENGRAM_BACKUP_RETENTION_DAYS", "ENGRAM_GRAPH_BACKUP_RETENTION_DAYS"
SYSTEMS = (
    "Zep is reached by ENGRAM_ZEP_URL and ENGRAM_ZEP_API_KEY_FILE, the graph by"
    " ENGRAM_GRAPHITI_URL. The same command goes on where an earlier one was killed, and shows the"
    " certificate again where nothing is left. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``forget`` to a parser."""
    parser = commands.add_parser(
        "forget",
        help="erase what is remembered of a user or a session, with a certificate",
        epilog=SYSTEMS + CODES + CONNECTION,
    )
    parser.set_defaults(command=run)
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--user", metavar="ID", help="a person; - reads the id from stdin")
    subject.add_argument("--session", metavar="ID", help="one conversation; - reads from stdin")
    parser.add_argument("--tenant", help="whose; needed where tenants are kept apart")
    parser.add_argument("--reference", help="of the request, such as a ticket's number; no name")
    parser.add_argument(
        "--without",
        action="append",
        choices=("zep", "graph"),
        default=[],
        help="leave this system out; the certificate says so",
    )
    parser.add_argument("--certificate", metavar="FILE", help="write it here, too")
    parser.add_argument(
        "--backup-days",
        type=int,
        metavar="N",
        help=f"how long backups of the database are kept; default: {POSTGRES_DAYS}",
    )
    parser.add_argument(
        "--graph-backup-days",
        type=int,
        metavar="N",
        help=f"the same of the graph store's copies; default: {GRAPH_DAYS}",
    )
    add_order(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan, or erase."""
    return carry_out(arguments, _forget)


def _forget(arguments: argparse.Namespace, console: Console) -> int:
    subject, place = _subject(arguments)
    backups = _backups(arguments)
    zep = None if "zep" in arguments.without else Zep.from_environment()
    graph = None if "graph" in arguments.without else Graph.from_environment()
    if zep:
        zep.prove()
    if graph:
        graph.prove()
    with open_base() as base, open_place(place) as session:
        erasure = Erasure(
            base=base,
            holdings=Holdings(session=session, place=place, zep=zep, graph=graph),
            subject=subject,
            backups=backups,
            reference=arguments.reference,
            report=console.event,
        )
        scope = erasure.holdings.scope(subject)
        if not arguments.yes:
            return _planned(erasure, scope, console)
        with _alone(base):
            under_way, over = erasure.earlier()
            repeated = under_way is None and over is not None and scope.empty
            end = over if repeated and over else erasure.run(scope)
    _show(end, arguments, console)
    return DONE


def _subject(arguments: argparse.Namespace) -> tuple[Subject, Place]:
    """Who is meant, and where; an id that only one tenant knows is no id among several."""
    kind, name = ("user", arguments.user) if arguments.user else ("session", arguments.session)
    name = sys.stdin.readline().strip() if name == "-" else name
    if not name:
        raise SubjectUnclear(f"the {kind}'s id is empty; nothing was looked at")
    apart = isolation() != "shared"
    if apart and not arguments.tenant:
        raise SubjectUnclear(
            "tenants are kept apart here, and each may have somebody of this id: say whose by"
            " --tenant"
        )
    (place,) = places([arguments.tenant] if arguments.tenant else [])
    tenant = arguments.tenant if apart else DEFAULT
    return Subject(kind="user" if arguments.user else "session", name=name, tenant=tenant), place


def _backups(arguments: argparse.Namespace) -> Backups:
    postgres = arguments.backup_days or _days(POSTGRES_DAYS)
    if not postgres:
        raise SubjectUnclear(
            f"set {POSTGRES_DAYS}, or give --backup-days: the certificate says until when backups"
            " hold what is deleted today"
        )
    return Backups(
        postgres_days=postgres, graph_days=arguments.graph_backup_days or _days(GRAPH_DAYS)
    )


def _days(name: str) -> int | None:
    text = os.environ.get(name) or None
    if text is not None and not text.isdecimal():
        raise SubjectUnclear(f"{name} is {text!r}; give whole days")
    return int(text) if text else None


def _planned(erasure: Erasure, scope: Scope, console: Console) -> int:
    """Say what would go; names are the operator's own, and are not repeated."""
    under_way, over = erasure.earlier()
    data = {"found": scope.as_data(), "subject": erasure.subject.fingerprint}
    lines = [
        f"{scope.rows} memories in {erasure.holdings.place}",
        f"{scope.in_zep} users and sessions in Zep" if erasure.holdings.zep else "Zep is left out",
        f"{scope.in_graph} groups in the graph"
        if erasure.holdings.graph
        else "the graph is left out",
    ]
    if scope.shared:
        lines.append(f"{scope.shared} sessions are others', too: only the subject's own rows go")
    if under_way:
        lines.append(f"an erasure of this subject was begun (entry {under_way.position}), and is"
                     " not over: --yes goes on with it")  # fmt: skip
    elif over and scope.empty:
        lines.append(f"forgotten already: entry {over.position}; --yes shows the certificate")
    lines.append("Nothing was deleted. It cannot be undone. To go ahead: --yes")
    console.result({**data, "under_way": bool(under_way)}, "\n".join(lines) + "\n")
    return DECIDE if under_way or not scope.empty else DONE


def _show(end: Record, arguments: argparse.Namespace, console: Console) -> None:
    sealed = {"position": end.position, "digest": end.digest}
    certificate: dict[str, Any] = {**end.detail["certificate"], "sealed": sealed}
    text = json.dumps(certificate, indent=2, ensure_ascii=False) + "\n"
    if arguments.certificate:
        Path(arguments.certificate).write_text(text, encoding="utf-8")
    console.result(certificate, text)


@contextmanager
def _alone(session: Session) -> Iterator[None]:
    """Be the only erasure until the end of the block.  Raises SubjectUnclear."""
    deadline = time.monotonic() + LOCK_SECONDS
    while not _taken(session):
        if time.monotonic() > deadline:
            raise SubjectUnclear("another erasure is under way; wait for its end")
        time.sleep(0.2)
    try:
        yield
    finally:
        if not session.closed:
            session.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK_KEY)


def _taken(session: Session) -> bool:
    row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK_KEY).fetchone()
    return bool(row and row[0])
