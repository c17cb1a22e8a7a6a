"""What the commands about workflows do."""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from memory.embeddings.limits import RateLimit
from memory.operations.console import Console
from memory.operations.frame import DECIDE, DONE, FAILED
from memory.operations.reembed.goal import new_goal
from memory.operations.tenants import endpoint
from memory.workflows import asking
from memory.workflows.client import Names, connect, explained
from memory.workflows.field_keys import tools
from memory.workflows.reembedding import ReembeddingWorkflow
from memory.workflows.rotation import MemoryEncryptionKeyRotationWorkflow
from memory.workflows.terms import Pace, Reembedding, RotationOptions
from memory.workflows.worker import Means, Models, leave, log_to_stderr, until_told, working

__all__ = ["cancel", "leave", "start_reembedding", "start_rotation", "status", "work"]


async def work(arguments: argparse.Namespace, console: Console) -> int:
    """Do what workflows ask for, until told to stop."""
    names = Names.of(endpoint())
    log_to_stderr()
    limit = RateLimit(arguments.requests_per_minute, arguments.tokens_per_minute)
    with ExitStack() as closing:
        means = Means(
            tools=tools(),
            endpoint=endpoint,
            model=Models(limit=limit, closing=closing),
        )
        client = await connect()
        with working(client, names.queue, means, slots=arguments.slots) as worker:
            console.note_line(f"working on {names.queue}, {arguments.slots} slots")
            await until_told(worker)
    console.result({"queue": names.queue, "state": "stopped"}, "stopped\n")
    return DONE


async def start_rotation(arguments: argparse.Namespace, console: Console) -> int:
    """Start a rotation, or say which."""
    options = RotationOptions(
        pace=_pace(arguments),
        server_key=arguments.server_key,
        reload_seconds=arguments.reload_seconds,
        grace_hours=arguments.grace_hours,
    )
    given = [arguments.new_key_id, options]
    what = {"new_key_id": arguments.new_key_id, **asdict(options)}
    return await _start(arguments, console, MemoryEncryptionKeyRotationWorkflow.run, given, what)


async def start_reembedding(arguments: argparse.Namespace, console: Console) -> int:
    """Start a re-embedding, or say which."""
    goal = {
        "to": arguments.to,
        "source": "cast" if arguments.cast else "model",
        "model": arguments.model,
        "shorten": arguments.shorten,
    }
    new_goal(**goal)  # refused here rather than on a worker
    wanted = Reembedding(
        goal=goal,
        pace=_pace(arguments),
        price_per_million=arguments.price_per_million_tokens,
        max_cost=arguments.max_cost,
        min_recall=arguments.min_recall,
    )
    return await _start(arguments, console, ReembeddingWorkflow.run, [wanted], asdict(wanted))


async def _start(
    arguments: argparse.Namespace,
    console: Console,
    workflow: Any,
    given: Sequence[Any],
    what: dict[str, Any],
) -> int:
    names, word = Names.of(endpoint()), arguments.kind
    name = names.workflow(word)
    if not arguments.yes:
        console.result(
            {"workflow": name, "given": what},
            f"would start {name}. Nothing was started. To go ahead: --yes\n",
        )
        return DECIDE
    with explained():
        run_id = await asking.start(await connect(), names, word, workflow, given)
    console.result(
        {"workflow": name, "run_id": run_id},
        f"started {name}, run {run_id}; `python -m memory workflows status {word}` says more\n",
    )
    return DONE


async def status(arguments: argparse.Namespace, console: Console) -> int:
    """Say how far a workflow is."""
    with explained():
        state = await asking.ask(await connect(), Names.of(endpoint()), arguments.kind)
    console.result(state.as_data(), state.as_text())
    return FAILED if state.failed else DONE


async def cancel(arguments: argparse.Namespace, console: Console) -> int:
    """Call a workflow off."""
    names = Names.of(endpoint())
    with explained():
        await asking.cancel(await connect(), names, arguments.kind)
    name = names.workflow(arguments.kind)
    console.result({"workflow": name}, f"{name} is told to end; `status` says when it has\n")
    return DONE


def _pace(arguments: argparse.Namespace) -> Pace:
    return Pace(shards=arguments.shards, batch_rows=arguments.batch_rows)
