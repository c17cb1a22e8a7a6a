"""A table on the nodes of an elastic cluster: shared out while it is empty, then left alone.

Citus hands DDL on to the nodes, but what makes it safe here (sizes, progress, the proof by one
query) is seen on one server only.  So nothing but access and options is changed of such a table.
"""

from collections.abc import Iterator

from memory.schema.catalog import Table
from memory.schema.place import BRIEFLY, Place
from memory.schema.steps import Step

STRUCTURE = ("CREATE INDEX", "CREATE UNIQUE INDEX", "DROP INDEX", "ALTER TABLE", "ALTER INDEX")
"""Beginnings of what is done by hand on nodes."""
HARMLESS = (" SET (", " RESET (", " OWNER TO ")
"""What of it is done all the same."""


def sharing_steps(place: Place, have: Table | None, want: Table) -> Iterator[Step]:
    """Share a new table out; by itself, as a transaction that made roles hands them on first."""
    if want.distributed_by is None or (have is not None and have.distributed_by is not None):
        return
    arguments = f"'{place.relation}', '{want.distributed_by}'"
    yield place.step(
        f"SELECT create_distributed_table({arguments})",
        "its rows are to be on the nodes, those of a session together",
        BRIEFLY,
        f"nodes of {place.table}",
    )


def sharing_refusals(
    place: Place, have: Table, want: Table, steps: Iterator[Step]
) -> Iterator[str]:
    """What moves stored rows between nodes, and what this engine does not do on nodes."""
    label, found, wanted = f"table {place.table}", have.distributed_by, want.distributed_by
    if found != wanted and found is not None:
        change = (
            f"alter_distributed_table('{place.relation}', distribution_column := '{wanted}')"
            if wanted
            else f"undistribute_table('{place.relation}')"
        )
        yield (
            f"{label}: its rows are on nodes by {found}, wanted {wanted or 'on one server'};"
            f" SELECT {change} moves them all: run it by hand in a maintenance window"
        )
    elif wanted is not None and found is None and not have.empty:
        yield (
            f"{label}: its rows are on one server, wanted on nodes by {wanted}; run SELECT"
            f" create_distributed_table_concurrently('{place.relation}', '{wanted}') by hand, and"
            " then truncate_local_data_after_distributing_table"
        )
    elif found is not None:
        changes = [step.sql for step in steps if _structural(step.sql)]
        if changes:
            yield (
                f"{label}: is on nodes, where an index build is neither sized nor proven from"
                f" here; run on the coordinator, port 5432, and refresh: {'; '.join(changes)}"
            )


def _structural(statement: str) -> bool:
    if statement.startswith("ALTER TABLE"):
        return not any(words in statement for words in HARMLESS)
    return statement.startswith(STRUCTURE)
