"""Show the stacks, servers and ports of this clone."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.cloud.postgres import supervisor
from local.cloud.postgres.fleet import Fleet
from local.commands.session import Session, table
from local.commands.summary import count_types, waiting


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0; looking starts nothing."""
    report = {"stacks": stacks(session.paths.state), "servers": servers()}
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


def stacks(state: Path) -> list[dict[str, Any]]:
    """Return what the backend holds: each stack, and what of it waits or broke off."""
    found = []
    for file in sorted((state / ".pulumi" / "stacks").glob("*/*.json")):
        latest = json.loads(file.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        found.append(
            {
                "stack": file.stem,
                "resources": sum(count_types(latest).values()),
                "waiting": len(waiting(latest)),
                "interrupted": bool(latest.get("pending_operations")),
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
