"""``python -m memory schema …``: the engine for people without Pulumi at hand."""

import argparse
import json
import sys
from pathlib import Path

from pydantic import ValidationError

from memory.schema import render
from memory.schema.connection import from_environment
from memory.schema.errors import SchemaError
from memory.schema.model import DesiredSchema, Hnsw, IvfFlat, memory_schema, mistakes
from memory.schema.plan import empty_catalog, plan
from memory.schema.runner import inspect
from memory.schema.verify import verify

CONNECTION = (
    "The connection comes from libpq's environment: PGHOST, PGDATABASE, PGUSER, PGPASSWORD, and"
    " PGHOSTADDR, PGPORT, PGSSLROOTCERT where needed. TLS is always verified in full."
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``schema`` and its commands to a parser."""
    schema = commands.add_parser("schema", help="the database schema")
    verbs = schema.add_subparsers(dest="verb", required=True)
    planning = verbs.add_parser("plan", help="show what would be done", epilog=CONNECTION)
    planning.add_argument("--format", choices=("table", "sql"), default="table")
    planning.add_argument(
        "--offline", metavar="DATABASE", help="plan a first run, with no database in reach"
    )
    planning.set_defaults(run=_plan)
    verifying = verbs.add_parser("verify", help="prove a live schema", epilog=CONNECTION)
    verifying.set_defaults(run=_verify)
    for verb in (planning, verifying):
        verb.add_argument("--json", action="store_true", help="machine-readable output")
        verb.add_argument("--desired", type=Path, help="the wanted schema as a JSON file")
        verb.add_argument("--dimensions", type=int, default=1536)
        verb.add_argument("--column-type", choices=("vector", "halfvec"), default="vector")
        verb.add_argument("--index", choices=("hnsw", "ivfflat"), default="hnsw")


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen command: 0 when all is well, 1 when a check fails, 2 for an error."""
    try:
        desired = _desired(arguments)
        return int(arguments.run(arguments, desired))
    except ValidationError as error:
        sys.stderr.write("\n".join(mistakes(error)) + "\n")
    except (SchemaError, OSError) as error:
        sys.stderr.write(f"{error}\n")
    return 2


def _desired(arguments: argparse.Namespace) -> DesiredSchema:
    if arguments.desired:
        return DesiredSchema.model_validate_json(arguments.desired.read_text(encoding="utf-8"))
    index = Hnsw if arguments.index == "hnsw" else IvfFlat
    return memory_schema(
        dimensions=arguments.dimensions,
        column_type=arguments.column_type,
        index=index(column="embedding"),
    )


def _plan(arguments: argparse.Namespace, desired: DesiredSchema) -> int:
    offline = arguments.offline
    catalog = empty_catalog(offline) if offline else inspect(from_environment(), desired)
    todo = plan(catalog, desired)
    if arguments.json:
        _print_json(render.as_data(todo))
    else:
        write = render.as_sql if arguments.format == "sql" else render.as_table
        sys.stdout.write(write(todo))
    return 0


def _verify(arguments: argparse.Namespace, desired: DesiredSchema) -> int:
    report = verify(from_environment(), desired)
    if arguments.json:
        _print_json(report.as_data())
    else:
        sys.stdout.write(report.as_text())
    return 0 if report.ok else 1


def _print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=2) + "\n")
