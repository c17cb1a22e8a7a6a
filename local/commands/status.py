"""Show the stacks, servers, clusters, services and ports of this clone."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.cloud.cluster import fleet
from local.cloud.postgres import supervisor
from local.cloud.postgres.fleet import Fleet
from local.cloud.workloads import pods
from local.commands.headroom import lasts
from local.commands.session import Session, table
from local.commands.summary import count_types, sizing, waiting
from local.paths import Paths


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0; looking starts nothing."""
    report = {
        "stacks": stacks(session.paths.state),
        "servers": servers(),
        "clusters": clusters(),
        "services": services(session.paths),
    }
    if session.as_json:
        session.answer(report)
    else:
        _show(session, report)
    return 0


def servers() -> list[dict[str, Any]]:
    """Return the servers of the local cloud; all answer at the router's one port."""
    fleet = Fleet.current()
    port = fleet.endpoint.port if fleet.router_running else None
    return [asdict(server) | {"port": port} for server in supervisor.status()]


def clusters() -> list[dict[str, Any]]:
    """Return the clusters of the local cloud; each has an address of its own."""
    shown = ("name", "server", "running", "nodes")
    return [{key: getattr(one, key) for key in shown} for one in fleet.status()]


def services(paths: Paths) -> list[dict[str, Any]]:
    """Return what runs for real beside the played pods; each at a port of its own."""
    return [asdict(one) for one in pods.status(paths)]


def stacks(state: Path) -> list[dict[str, Any]]:
    """Return what the backend holds: each stack, what of it waits or broke off, until when."""
    found = []
    for file in sorted((state / ".pulumi" / "stacks").glob("*/*.json")):
        latest = json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        found.append(
            {
                "stack": file.stem,
                "resources": sum(count_types(latest).values()),
                "waiting": len(waiting(latest)),
                "interrupted": bool(latest.get("pending_operations")),
                "large_enough": lasts(sizing(latest)),
            }
        )
    return found


def _show(session: Session, report: dict[str, list[dict[str, Any]]]) -> None:
    for title, rows in report.items():
        if not rows:
            session.console.print(f"{title}: none")
            continue
        shown = table(*rows[0])
        for row in rows:
            shown.add_row(*(str(value) for value in row.values()))
        session.console.print(f"[bold]{title}[/bold]", shown)
