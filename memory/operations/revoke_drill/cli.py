"""``python -m memory revoke-drill``: prove that the customer's key decides over the data."""

import argparse
from contextlib import suppress
from datetime import UTC, datetime

import psycopg

from memory.operations.azure import Azure, FlexibleServer
from memory.operations.bracket import bracketed
from memory.operations.console import Console
from memory.operations.errors import Decision, OperationError
from memory.operations.frame import CODES, DECIDE, DONE, add_order, carry_out
from memory.operations.records import append
from memory.operations.revoke_drill.drill import OPERATION, READY, Drill, Outcome
from memory.operations.servers import (
    add_even_in_prod,
    add_poll_seconds,
    add_server,
    key_of,
    refuse_prod,
)
from memory.operations.tenants import open_base
from memory.operations.vault_key import KeyVersion, VaultKey, heal
from memory.schema.cli import CONNECTION
from memory.schema.errors import SchemaError

WAIT_MINUTES = 90.0
"""Azure notices within an hour, either way."""
ABOUT = (
    "EVERY CONNECTION IS REFUSED while it lasts: on Azure up to an hour until the server is gone,"
    " and up to another until it is back. It disables every enabled version of the server's key,"
    " waits until the server is Inaccessible and refuses connections, enables them, and waits until"
    " it is Ready. What it disables it marks in the vault: a drill that was killed is healed by the"
    " next run, or at once by --restore, and so is one that somebody stops. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``revoke-drill`` to a parser."""
    parser = commands.add_parser(
        "revoke-drill",
        help="disable the server's key, prove that the server goes, and bring it back",
        description=ABOUT,
        epilog=CODES + CONNECTION,
    )
    parser.set_defaults(command=run)
    add_order(parser)
    add_server(parser)
    parser.add_argument(
        "--restore",
        action="store_true",
        help="only enable, at once and without --yes, what a drill disabled, and wait",
    )
    add_even_in_prod(parser)
    parser.add_argument(
        "--wait-minutes",
        type=float,
        default=WAIT_MINUTES,
        help="for Azure to notice, each way; default: %(default)g",
    )
    add_poll_seconds(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan, heal, or drill."""
    return carry_out(arguments, _revoke_drill)


def _revoke_drill(arguments: argparse.Namespace, console: Console) -> int:
    azure = Azure(heard=console.note_line)
    server = azure.server(arguments.server)
    key = key_of(server)
    versions = key.versions()
    drill = Drill(
        azure=azure,
        server=server,
        key=key,
        wait_seconds=arguments.wait_minutes * 60,
        heard=console.note_line,
        poll_seconds=arguments.poll_seconds,
    )
    marked = [version for version in versions if version.mark is not None]
    if arguments.restore or (marked and arguments.yes):
        return _healed(drill, marked, console)
    if not arguments.yes:
        return _plan(server, key, versions, console)
    _refuse(server, versions, arguments)
    return _drilled(drill, console)


def _healed(drill: Drill, marked: list[KeyVersion], console: Console) -> int:
    healed = heal(drill.key, console.note_line)
    seconds = drill.await_state(READY)
    with suppress(OperationError, SchemaError, psycopg.Error), open_base() as base:
        append(base, f"{OPERATION}-restore", {"server": drill.server.id, "enabled": healed})
    told = {"restored": healed, "seconds": {"back": seconds}}
    by = f" by {marked[0].mark}" if marked else ""
    names = ", ".join(healed) or "nothing was disabled by a drill"
    console.result(told, f"enabled{by}: {names}; {drill.server.name} is Ready\n")
    return DONE


def _refuse(
    server: FlexibleServer, versions: list[KeyVersion], arguments: argparse.Namespace
) -> None:
    refuse_prod(server, arguments)
    if server.state != READY:
        raise Decision(f"{server.name} is {server.state}, not Ready: see to that first")
    if not any(version.enabled for version in versions):
        raise Decision("no version of the key is enabled, and no drill did it: see to that first")


def _drilled(drill: Drill, console: Console) -> int:
    began = datetime.now(UTC).isoformat(timespec="seconds")
    outcome = Outcome()
    with bracketed(OPERATION, {"server": drill.server.id}) as result:
        try:
            drill.run(outcome, began)
        finally:
            result.update(outcome.as_data())
    console.result(outcome.as_data(), _text(drill.server, outcome))
    return DONE if outcome.ok else DECIDE


def _plan(
    server: FlexibleServer, key: VaultKey, versions: list[KeyVersion], console: Console
) -> int:
    enabled = [version.version for version in versions if version.enabled]
    marked = [version.version for version in versions if version.mark is not None]
    plan = {
        "server": server.id,
        "state": server.state,
        "key": key.uri,
        "environment": server.tags.get("environment"),
        "would_disable": enabled,
        "left_disabled": marked,
    }
    lines = [f"{server.name} is {server.state}; its key is {key.uri}"]
    if marked:
        lines.append(f"  a drill was killed and left {', '.join(marked)} disabled: --restore NOW")
    else:
        lines.append(f"  would be disabled: {', '.join(enabled)}")
        lines.append("  every connection would be refused, on Azure for up to two hours")
    console.result(plan, "\n".join([*lines, "Nothing was changed. To go ahead: --yes", ""]))
    return DECIDE


def _text(server: FlexibleServer, outcome: Outcome) -> str:
    verdict = "the key decides" if outcome.ok else "NOT proven that the key decides"
    return (
        f"{server.name}: {verdict}\n"
        f"  gone after {outcome.seconds.get('gone', 0):g} s, and refused connections:"
        f" {'yes' if outcome.refused else 'NO'}\n"
        f"  back after {outcome.seconds.get('back', 0):g} s, and answers:"
        f" {'yes' if outcome.back else 'NO'}\n"
    )
