"""``python -m memory reembed …``: the arguments, the order, and what is printed."""

import argparse
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from memory.embeddings.client import client_from_environment
from memory.embeddings.errors import EmbeddingError
from memory.embeddings.limits import Budget, RateLimit
from memory.operations.console import Console
from memory.operations.frame import DECIDE, DONE, FAILED, Work, carry_out
from memory.operations.reembed.backfill import Ask, Pace
from memory.operations.reembed.errors import GoalRefused
from memory.operations.reembed.extent import HOW, Extent
from memory.operations.reembed.found import look
from memory.operations.reembed.goal import Goal, Subject, index_like, new_goal
from memory.operations.reembed.ledger import Entry
from memory.operations.reembed.operation import Reembedding, asking, open_reembedding
from memory.operations.reembed.recall import Comparison, Question
from memory.operations.reembed.status import status
from memory.schema.catalog import DEFAULT_OPTIONS
from memory.schema.cli import CONNECTION
from memory.schema.connection import from_environment

EPILOG = (
    "Status 0: done. 1: a decision is yours (confirm, budget, recall, too much traffic); what was"
    " done stands. 2: an error, or not in this phase. 130: interrupted. The endpoint comes from"
    " OPENAI_API_KEY and OPENAI_BASE_URL, or from AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and"
    " OPENAI_API_VERSION. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``reembed`` to a parser."""
    parser = commands.add_parser(
        "reembed",
        help="change the model, the dimension or the type of stored vectors",
        epilog=EPILOG + CONNECTION,
    )
    parser.set_defaults(command=run)
    orders = parser.add_mutually_exclusive_group()
    for name, text in (
        ("status", "say how far it is; change nothing"),
        ("swap", "let new and old column change their names"),
        ("contract", "after the swap: drop the old column; there is no way back then"),
        ("abort", "before the swap: drop what was made; after it: swap back"),
    ):
        orders.add_argument(f"--{name}", dest="order", action="store_const", const=name, help=text)
    parser.add_argument("--yes", action="store_true", help="do it; without it, only estimate")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    _add_goal(parser.add_argument_group("what to reach"))
    _add_pace(parser.add_argument_group("how fast, for how much"))
    _add_check(parser.add_argument_group("the check of the new index"))
    _add_subject(parser.add_argument_group("which column"))


def _add_goal(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--to", metavar="TYPE", help="vector(N) or halfvec(N); once is enough")
    group.add_argument("--cast", action="store_true", help="same length, other type: no model")
    group.add_argument("--model", help="the model's name, or the deployment's on Azure")
    group.add_argument("--shorten", action="store_true", help="ask the model for N dimensions")
    group.add_argument(
        "--callable", metavar="MODULE:NAME", help="a Python function in place of an endpoint"
    )
    group.add_argument("--index", choices=("hnsw", "ivfflat"), help="default: as it is now")
    group.add_argument("--distance", choices=("cosine", "l2", "ip"), help="default: as it is now")
    group.add_argument("--m", type=int)
    group.add_argument("--ef-construction", type=int)
    group.add_argument("--lists", type=int)
    group.add_argument(
        "--leave-indexes", action="store_true", help="let other indexes on the column go with it"
    )


def _add_pace(group: "argparse._ArgumentGroup") -> None:
    pace = Pace()
    group.add_argument("--requests-per-minute", type=float)
    group.add_argument("--tokens-per-minute", type=float)
    group.add_argument("--in-flight", type=_positive, default=pace.in_flight, metavar="N")
    group.add_argument("--batch-rows", type=_positive, default=pace.batch_rows, metavar="N")
    group.add_argument("--batch-tokens", type=_positive, default=pace.batch_tokens, metavar="N")
    group.add_argument("--price-per-million-tokens", type=float, metavar="PRICE")
    group.add_argument("--max-cost", type=float, help="stop before it costs more")


def _add_check(group: "argparse._ArgumentGroup") -> None:
    asked = Question()
    group.add_argument("--min-recall", type=float, default=asked.min_recall)
    group.add_argument("--neighbours", type=_positive, default=asked.neighbours, metavar="K")
    group.add_argument("--queries", type=_positive, default=asked.queries, metavar="N")
    group.add_argument("--ef-search", type=_positive, default=asked.ef_search)
    group.add_argument("--probes", type=_positive, default=asked.probes)
    group.add_argument("--seed", type=int, default=asked.seed)


def _add_subject(group: "argparse._ArgumentGroup") -> None:
    usual = Subject()
    for name in ("schema", "table", "column", "content"):
        value = getattr(usual, name)
        group.add_argument(f"--{name}", default=value, help=f"default: {value}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of 1 or more")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one order; see ``EPILOG`` for what is returned."""
    orders: dict[str | None, Work] = {
        None: _advance,
        "status": _status,
        "swap": _swap,
        "contract": _contract,
        "abort": _abort,
    }
    return carry_out(arguments, orders[arguments.order])


def _status(arguments: argparse.Namespace, console: Console) -> int:
    seen = status(from_environment(), _subject(arguments))
    console.result(seen.as_data(), seen.as_text())
    return FAILED if seen.problem else DONE


def _advance(arguments: argparse.Namespace, console: Console) -> int:
    with ExitStack() as closing, _open(arguments, console) as work:
        wanted = work.goal(_given_goal(arguments, work), leave_indexes=arguments.leave_indexes)
        extent = work.extent()
        entry = work.entry()
        budget = _budget(arguments, entry)
        price = budget.price_per_million
        estimate = {"goal": wanted.model_dump(mode="json"), "estimate": extent.as_data(price)}
        text = _estimate_text(wanted, extent, price, arguments.max_cost)
        if not arguments.yes:
            console.result(estimate, f"{text}Nothing was sent or changed. To go ahead: --yes\n")
            return DECIDE
        console.note(text)
        comparison = work.advance(
            wanted,
            extent=extent,
            ask=_ask(arguments, wanted, console, closing),
            budget=budget,
            pace=_pace(arguments),
            question=_question(arguments),
        )
    console.result(
        {**estimate, "phase": "ready", "check": comparison.as_data()}, _check_text(comparison)
    )
    return DONE


def _swap(arguments: argparse.Namespace, console: Console) -> int:
    with ExitStack() as closing, _open(arguments, console) as work:
        entry = work.entry()
        wanted = entry.goal if entry else None
        budget = _budget(arguments, entry)
        ask = None
        if wanted is not None and wanted.source == "model":
            try:
                ask = _ask(arguments, wanted, console, closing)
            except EmbeddingError:  # a quiet table needs no endpoint
                console.note("no endpoint is set; rows that came meanwhile would stop the swap\n")
        work.swap(ask=ask, pace=_pace(arguments), budget=budget)
        subject = work.subject
    console.result(
        {"phase": "swapped"},
        f"{subject.relation}.{subject.column} holds the new vectors; the old ones are kept in"
        f" {subject.previous}.\nFrom now on PostgreSQL refuses vectors of another length: let"
        " the new model's programs start now, and reopen connections.\nLater: --contract, or"
        " --abort to swap back\n",
    )
    return DONE


def _contract(arguments: argparse.Namespace, console: Console) -> int:
    with _open(arguments, console) as work:
        work.contract()
        text = f"{work.subject.previous} is gone; going back takes a new re-embedding\n"
    console.result({"phase": "contracted"}, text)
    return DONE


def _abort(arguments: argparse.Namespace, console: Console) -> int:
    with _open(arguments, console) as work:
        phase = work.abort()
    text = {
        "aborted": "given up: the new column, its index and its trigger are gone\n",
        "ready": "swapped back: the old vectors answer again, and the new ones are kept. --abort"
        " once more drops them, --swap goes forward again\n",
    }
    console.result({"phase": phase}, text[phase])
    return DONE


def _open(arguments: argparse.Namespace, console: Console) -> Any:
    return open_reembedding(from_environment(), _subject(arguments), report=console.event)


def _subject(arguments: argparse.Namespace) -> Subject:
    return Subject(
        schema=arguments.schema,
        table=arguments.table,
        column=arguments.column,
        content=arguments.content,
    )


def _given_goal(arguments: argparse.Namespace, work: Reembedding) -> Goal | None:
    """The goal on the command line: with --to a whole one, without it that of the ledger."""
    index = _index(arguments, work)
    if arguments.to:
        return new_goal(
            to=arguments.to,
            source="cast" if arguments.cast else "model",
            model=None if arguments.cast else arguments.model or arguments.callable,
            shorten=arguments.shorten,
            index=index,
        )
    entry = work.entry()
    if entry is None:
        return None
    kept = entry.goal.index
    return entry.goal.model_copy(update={"index": index if _speaks_of_index(arguments) else kept})


def _speaks_of_index(arguments: argparse.Namespace) -> bool:
    options = (arguments.index, arguments.distance, arguments.m, arguments.ef_construction)
    return any(value is not None for value in (*options, arguments.lists))


def _index(arguments: argparse.Namespace, work: Reembedding) -> dict[str, Any] | None:
    """The index as it is on the old column, with what the command line changes in it."""
    subject = work.subject
    have = look(work.session, subject).index_on(subject.column)
    like = index_like(have[1], subject.column) if have else None
    method = arguments.index or (like.method if like else None)
    if method is None:
        return None
    kept = like.model_dump() if like and like.method == method else {}
    kept |= {"method": method, "column": subject.column, "name": None}
    if like is not None:
        kept["distance"] = like.distance
    names = ("distance", *DEFAULT_OPTIONS[method])
    given = {name: getattr(arguments, name) for name in names}
    return {**kept, **{name: value for name, value in given.items() if value is not None}}


def _ask(
    arguments: argparse.Namespace, wanted: Goal, console: Console, closing: ExitStack
) -> Ask | None:
    if wanted.source == "cast":
        return None
    named = arguments.callable or (wanted.model if ":" in (wanted.model or "") else None)
    if named:
        return asking(_imported(named), wanted.dimensions)
    limit = RateLimit(arguments.requests_per_minute, arguments.tokens_per_minute)
    client = client_from_environment(
        wanted.model or "", wanted.dimensions, shorten=wanted.shorten, limit=limit
    )
    client.waiting = console.note_line
    return closing.enter_context(client).answer


def _imported(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise GoalRefused(f"--callable {name}: {error}; give MODULE:NAME") from error


def _pace(arguments: argparse.Namespace) -> Pace:
    return Pace(
        batch_rows=arguments.batch_rows,
        batch_tokens=arguments.batch_tokens,
        in_flight=arguments.in_flight,
    )


def _question(arguments: argparse.Namespace) -> Question:
    return Question(
        queries=arguments.queries,
        neighbours=arguments.neighbours,
        ef_search=arguments.ef_search,
        probes=arguments.probes,
        min_recall=arguments.min_recall,
        seed=arguments.seed,
    )


def _budget(arguments: argparse.Namespace, entry: Entry | None) -> Budget:
    """What may be spent; a price that was given once is known."""
    price: float | None = arguments.price_per_million_tokens
    if price is None and entry is not None:
        price = entry.progress.price_per_million
    if arguments.max_cost is not None and price is None:
        raise GoalRefused("--max-cost needs --price-per-million-tokens: no price is invented here")
    return Budget(price_per_million=price, max_cost=arguments.max_cost)


def _estimate_text(wanted: Goal, extent: Extent, price: float | None, limit: float | None) -> str:
    source = wanted.model or "a cast on the server, without a model"
    lines = [
        f"to {wanted.to} by {source}",
        f"  {extent.rows} rows need a new vector, with {extent.characters} characters of content",
    ]
    if wanted.source == "model":
        lines.append(f"  about {extent.tokens} tokens: {HOW}")
        cost = extent.cost(price)
        words = "unknown: give --price-per-million-tokens" if cost is None else f"about {cost:.4f}"
        over = cost is not None and limit is not None and cost > limit
        lines.append(f"  cost {words}" + (f"; it will stop at {limit:g}" if over else ""))
    if extent.without_vector:
        lines.append(f"  {extent.without_vector} rows have no vector, and stay without one")
    if extent.without_content and wanted.source == "model":
        lines.append(
            f"  {extent.without_content} rows have a vector and no content: they will stop it"
        )
    return "\n".join(lines) + "\n"


def _check_text(comparison: Comparison) -> str:
    lines = [f"checked with {comparison.queries} queries at ef_search {comparison.ef_search}"]
    lines += [
        f"  {side.column} by {side.index}: recall@{comparison.neighbours} {side.recall:.3f},"
        f" median {side.median_ms:.1f} ms, p95 {side.p95_ms:.1f} ms"
        for side in comparison.sides
    ]
    lines.append(f"  old and new agree on {comparison.agreement:.0%} of the exact neighbours")
    lines.append("Ready. Roll the new model out, and give --swap; or --abort")
    return "\n".join(lines) + "\n"
