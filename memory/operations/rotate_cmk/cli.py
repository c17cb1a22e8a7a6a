"""``python -m memory rotate-cmk``: a new version of the server's key, and proof of what follows."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any

from memory.operations.azure import Azure, FlexibleServer
from memory.operations.bracket import bracketed
from memory.operations.console import Console
from memory.operations.errors import Decision
from memory.operations.frame import CODES, DECIDE, DONE, add_order, carry_out
from memory.operations.records import records, unfinished
from memory.operations.revoke_drill.drill import READY
from memory.operations.rotate_cmk.watch import Seen, Watch
from memory.operations.servers import (
    add_even_in_prod,
    add_poll_seconds,
    add_server,
    key_of,
    refuse_prod,
    second,
)
from memory.operations.tenants import open_base
from memory.operations.vault_key import KeyVersion, VaultKey, heal
from memory.schema.cli import CONNECTION
from memory.schema.connection import Session

OPERATION, PROOF = "rotate-cmk", "rotate-cmk-proof"
FOLLOWS_HOURS = 24.0
"""Within which Azure wraps with a new version, where the server names none."""
BACK_SECONDS = 5400.0
PROOF_MINUTES = 75.0
"""Azure notices a disabled version within an hour."""
ABOUT = (
    "It makes a new version of the key in the vault, and watches the server. A server that names"
    " its key without a version wraps its data key anew within 24 hours; Azure says neither when,"
    " nor which version is in use: it only says Valid. So the proof is a second command, a day"
    " later: --prove disables every older version, watches that the server stays Ready and answers"
    " (a server that has not followed becomes Inaccessible), and enables them again. It says how"
    " long it waited and what it saw. Older versions are kept: a restore may need them. Killed, the"
    " next run goes on with the version that was made, and enables what a proof had disabled;"
    " --restore does that at once. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``rotate-cmk`` to a parser."""
    parser = commands.add_parser(
        "rotate-cmk",
        help="make a new version of the server's key, and prove that the server follows",
        description=ABOUT,
        epilog=CODES + CONNECTION,
    )
    parser.set_defaults(command=run)
    add_order(parser)
    add_server(parser)
    parser.add_argument("--prove", action="store_true", help="no new version: prove the newest")
    add_even_in_prod(parser)
    parser.add_argument(
        "--restore", action="store_true", help="only enable what a killed proof had disabled"
    )
    parser.add_argument(
        "--wait-minutes", type=float, default=0.0, help="to watch after a rotation; default: a look"
    )
    parser.add_argument(
        "--prove-minutes",
        type=float,
        default=PROOF_MINUTES,
        help="to watch without the older versions; default: %(default)g",
    )
    parser.add_argument(
        "--after-hours",
        type=float,
        default=FOLLOWS_HOURS,
        help="the least age of the newest version for a proof; default: %(default)g",
    )
    add_poll_seconds(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan, rotate, prove, or heal."""
    return carry_out(arguments, _rotate_cmk)


def _rotate_cmk(arguments: argparse.Namespace, console: Console) -> int:
    azure = Azure(heard=console.note_line)
    server = azure.server(arguments.server)
    key = key_of(server)
    if arguments.restore or (arguments.yes and any(v.mark for v in key.versions())):
        healed = heal(key, console.note_line)
        if arguments.restore:
            console.result({"restored": healed}, f"enabled: {', '.join(healed) or 'nothing'}\n")
            return DONE
    versions = key.versions()
    if not arguments.yes:
        return _plan(server, key, versions, arguments, console)
    _refuse(server, key, versions, arguments)
    watch = Watch(
        azure=azure, server=server, poll_seconds=arguments.poll_seconds, heard=console.note_line
    )
    if arguments.prove:
        return _proven(key, versions, watch, arguments, console)
    return _rotated(key, versions, watch, arguments, console)


def _rotated(
    key: VaultKey,
    versions: list[KeyVersion],
    watch: Watch,
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    with open_base() as base:
        left = _left_by_a_killed_run(base, watch.server, versions)
    before = left or versions[0].version
    told: dict[str, Any] = {"server": watch.server.id, "key": key.uri, "from": before}
    with bracketed(OPERATION, told) as result:
        if versions[0].version != before:
            made = versions[0].version
            console.note_line(f"going on with {made}, which a killed run had made")
        else:
            made = key.rotate()
            console.note_line(f"{key.name} has a new version, {made}")
        seen = watch.run(arguments.wait_minutes * 60)
        result.update({"to": made, "ok": seen.ok, **seen.as_data()})
    later = datetime.now(UTC) + timedelta(hours=FOLLOWS_HOURS)
    told = {**told, "to": made, "ok": seen.ok, "prove_after": second(later), **seen.as_data()}
    text = (
        f"{key.name} is at {made}. {watch.server.name} was {seen}\n"
        f"Azure follows within {FOLLOWS_HOURS:g} hours and does not say when: prove it after"
        f" {second(later)} with --prove\n"
    )
    console.result(told, text)
    return DONE if seen.ok else DECIDE


def _proven(
    key: VaultKey,
    versions: list[KeyVersion],
    watch: Watch,
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    older = [version for version in versions[1:] if version.enabled]
    told: dict[str, Any] = {"server": watch.server.id, "version": versions[0].version}
    disabled = [version.version for version in older]
    with bracketed(PROOF, told) as result:
        try:
            for version in older:
                key.disable(version, f"{PROOF} {second(datetime.now(UTC))}")
            seen = watch.run(arguments.prove_minutes * 60, until_lost=True)
        finally:
            heal(key, console.note_line)
        back = watch.until_back(BACK_SECONDS)
        result.update({"disabled": disabled, "ok": seen.ok, "back": back, **seen.as_data()})
    told = {**told, "disabled": disabled, "ok": seen.ok, "back": back, **seen.as_data()}
    console.result(told, _verdict(watch.server, versions[0].version, len(older), seen, back))
    return DONE if seen.ok else DECIDE


def _verdict(server: FlexibleServer, version: str, older: int, seen: Seen, back: float) -> str:
    if seen.ok:
        return (
            f"{server.name} follows {version}: without its {older} older versions it was {seen}."
            " They are enabled again\n"
        )
    return (
        f"{server.name} does NOT follow {version}: without the older versions it was {seen}. They"
        f" are enabled again, {back:g} s ago; see docs/runbooks/key-rotation.md\n"
    )


def _left_by_a_killed_run(
    base: Session, server: FlexibleServer, versions: list[KeyVersion]
) -> str | None:
    """The version that was the newest when a run began that never said how it ended."""
    ended = [r for r in records(base, OPERATION) if r.detail.get("state") == "done"]
    last = ended[-1].position if ended else 0
    for record in reversed(unfinished(base)):
        mine = record.operation == OPERATION and record.detail.get("server") == server.id
        if mine and record.position > last and record.detail.get("from") in _names(versions):
            return str(record.detail["from"])
    return None


def _names(versions: list[KeyVersion]) -> set[str]:
    return {version.version for version in versions}


def _refuse(
    server: FlexibleServer,
    key: VaultKey,
    versions: list[KeyVersion],
    arguments: argparse.Namespace,
) -> None:
    if key.pinned is not None:
        raise Decision(
            f"{server.name} names version {key.pinned} of its key, and follows no rotation: deploy"
            " it with the key's URI without a version"
        )
    if server.state != READY:
        raise Decision(f"{server.name} is {server.state}, not Ready: see to that first")
    if not arguments.prove:
        return
    refuse_prod(server, arguments)
    age = datetime.now(UTC) - versions[0].created_at
    if len(versions) == 1:
        raise Decision(f"{key.name} has one version alone: there is no rotation to prove")
    if age < timedelta(hours=arguments.after_hours):
        raise Decision(
            f"the newest version is {age.total_seconds() / 3600:.1f} hours old, and Azure follows"
            f" within {FOLLOWS_HOURS:g}: come back later, or say --after-hours if it is agreed that"
            " the server may go"
        )


def _plan(
    server: FlexibleServer,
    key: VaultKey,
    versions: list[KeyVersion],
    arguments: argparse.Namespace,
    console: Console,
) -> int:
    older = [version.version for version in versions[1:] if version.enabled]
    plan: dict[str, Any] = {
        "server": server.id,
        "state": server.state,
        "key": key.uri,
        "follows": key.pinned is None,
        "newest": versions[0].version,
        "older": older,
        "left_disabled": [version.version for version in versions if version.mark],
    }
    would = (
        f"would be disabled for {arguments.prove_minutes:g} minutes: {', '.join(older) or 'none'}"
        if arguments.prove
        else "a new version would be made; nothing that runs is interrupted"
    )
    follows = "without a version: it follows" if key.pinned is None else "WITH a version"
    text = (
        f"{server.name} is {server.state}, and names its key {follows}\n"
        f"  {key.uri} is at {versions[0].version}, with {len(older)} older versions enabled\n"
        f"  {would}\nNothing was changed. To go ahead: --yes\n"
    )
    console.result(plan, text)
    return DECIDE
