"""``python -m memory retention``: end what the policy says is over."""

import argparse
from typing import Any

from memory.operations.console import Console
from memory.operations.frame import CODES, DECIDE, DONE, add_order, carry_out
from memory.operations.records import recorded
from memory.operations.retention.deletion import Due, Ending, server_time
from memory.operations.retention.errors import TooMuch
from memory.operations.retention.policy import Policy
from memory.operations.tenants import Place, add_tenants, chosen, open_base, open_place
from memory.schema.cli import CONNECTION

GUARDED_ROWS = 1000
"""A table this small may be emptied without a question."""
RULES = (
    "The policy: ENGRAM_RETENTION_EPISODIC_DAYS, ENGRAM_RETENTION_SEMANTIC_DAYS,"
    " ENGRAM_RETENTION_SENSITIVITY_DAYS (phi=30,secret=90); or a file of rules, of --policy or"
    " ENGRAM_RETENTION_FILE. What no rule speaks of is kept. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``retention`` to a parser."""
    parser = commands.add_parser(
        "retention",
        help="delete the memories that the policy says are over",
        epilog=RULES + CODES + CONNECTION,
    )
    parser.set_defaults(command=run)
    add_order(parser)
    add_tenants(parser)
    parser.add_argument(
        "--policy", metavar="FILE", help='{"rules": [{"memory_type": "episodic", "days": 365}]}'
    )
    parser.add_argument("--batch-rows", type=int, default=500, metavar="N", help="default: 500")
    parser.add_argument(
        "--pause-seconds", type=float, default=0.05, help="between batches; default: 0.05"
    )
    parser.add_argument(
        "--max-share",
        type=float,
        default=0.5,
        help="of a table; where more is due, a person has to raise this. Default: 0.5",
    )


def run(arguments: argparse.Namespace) -> int:
    """Count, or delete."""
    return carry_out(arguments, _retention)


def _retention(arguments: argparse.Namespace, console: Console) -> int:
    policy = Policy.of_file(arguments.policy) if arguments.policy else Policy.from_environment()
    if not policy.rules:
        console.result({"rules": [], "due": 0}, "no rule is set: everything is kept\n")
        return DONE
    places = chosen(arguments)
    due = {str(place): _due(place, policy, arguments, console) for place in places}
    total = sum(each.rows for each in due.values())
    plan = {
        "rules": [rule.model_dump() for rule in policy.rules],
        "due": total,
        "places": {name: each.as_data() for name, each in due.items()},
    }
    text = _text(policy, due)
    if not arguments.yes:
        console.result(plan, f"{text}Nothing was deleted. To go ahead: --yes\n" if total else text)
        return DECIDE if total else DONE
    _refuse_too_much(due, arguments.max_share)
    console.note(text)
    deleted = _delete(places, due, policy, arguments, console)
    console.result({**plan, "deleted": deleted}, f"{sum(deleted.values())} memories were deleted\n")
    return DONE


def _delete(
    places: list[Place],
    due: dict[str, Due],
    policy: Policy,
    arguments: argparse.Namespace,
    console: Console,
) -> dict[str, int]:
    rules = [rule.model_dump(exclude_none=True) for rule in policy.rules]
    deleted: dict[str, int] = {}
    with (
        open_base() as base,
        recorded(
            base, "retention", {"rules": rules, "due": sum(one.rows for one in due.values())}
        ) as result,
    ):
        result["deleted"] = deleted
        for place in places:
            with open_place(place) as session:
                ending = _ending(session, place, policy, arguments, console)
                ending.request = f"retention-{result['begun']}"
                try:
                    ending.run(due[str(place)].rows)
                finally:
                    deleted[str(place)] = ending.ended
    return deleted


def _ending(
    session: Any, place: Place, policy: Policy, arguments: argparse.Namespace, console: Console
) -> Ending:
    return Ending(
        session=session,
        place=place,
        policy=policy,
        now=server_time(session),
        batch_rows=max(1, arguments.batch_rows),
        pause_seconds=max(0.0, arguments.pause_seconds),
        report=console.event,
    )


def _due(place: Place, policy: Policy, arguments: argparse.Namespace, console: Console) -> Due:
    with open_place(place) as session:
        return _ending(session, place, policy, arguments, console).due()


def _refuse_too_much(due: dict[str, Due], share: float) -> None:
    for name, each in due.items():
        if each.rows > GUARDED_ROWS and each.rows > share * each.of:
            raise TooMuch(
                f"{name}: {each.rows} of {each.of} memories are due, more than {share:.0%}."
                " Nothing was deleted. Is the policy meant so, and the server's clock right? Then"
                " raise --max-share"
            )


def _text(policy: Policy, due: dict[str, Due]) -> str:
    lines = []
    for name, each in due.items():
        since = f", the oldest of {each.oldest:%Y-%m-%d}" if each.oldest else ""
        lines.append(f"{name}: {each.rows} of {each.of} memories are due{since}")
        lines += [
            f"  {rule}: {count}" for rule, count in zip(policy.rules, each.by_rule, strict=True)
        ]
    return "\n".join(lines) + "\n"
