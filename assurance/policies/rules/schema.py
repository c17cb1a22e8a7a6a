"""What the program makes in a database: what keeps data, what finds it, and who may touch it."""

from collections.abc import Iterator
from typing import Any, Final

from assurance.policies.azure import SCHEMA, is_number
from assurance.policies.kubernetes import DEPLOYMENT, pod_of
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be_off, shown, unlike

MOST_DIMENSIONS: Final = {"vector": 2000, "halfvec": 4000}
"""Of a column that an index can be on: https://github.com/pgvector/pgvector"""
METHODS: Final = ("hnsw", "ivfflat")
DISTANCES: Final = ("cosine", "l2", "inner_product")
MAY: Final = {
    "app": frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"}),
    "reader": frozenset({"SELECT"}),
}
"""By a role's purpose, what it may be granted; the others own what they made."""
RECORDS: Final = ("memory_audit", "memory_operations")
"""Tables of who did what: with memories, and with all of them at once."""
APART: Final = ("schema", "database")
"""Isolation in which each tenant has tables of its own."""
SMALLEST_M: Final = 8
LARGEST_M: Final = 64
DIRECT: Final = 5432
POOLED: Final = 6432
"""Where PgBouncer listens: Azure's, and ours."""
HIGHEST_PORT: Final = 65535
AZURES: Final = ".postgres.database.azure.com"
"""What the name of a server of Azure ends with."""


def _tables(schema: Resource) -> Any:
    return schema.get("desired.tables") or ()


def _vectors(table: Any) -> list[Any]:
    columns = table.get("columns") or ()
    return [column for column in columns if column.get("type") in MOST_DIMENSIONS]


@resource_rule(
    SCHEMA,
    name="schema-keeps-data",
    title="Taking a schema out of the program leaves its data where it is",
    severity=Severity.CRITICAL,
    remediation="Set delete_data to false; delete data on purpose, with the operation for it.",
    ai_rmf=("MANAGE 2.4", "GOVERN 1.7"),
    sp800_53=("CP-9", "SI-12"),
)
def keeps_data(schema: Resource) -> Iterator[str]:
    """A refactoring must not be able to delete memories."""
    yield from must_be_off(schema.inputs, "delete_data")


@resource_rule(
    SCHEMA,
    name="schema-dimensions",
    title="Every vector has as many dimensions as an index takes",
    severity=Severity.HIGH,
    remediation="Set memory.dimensions to what the embedding model gives, at most 2000 (4000 of"
    " halfvec).",
    ai_rmf=("MAP 2.3", "MEASURE 2.5"),
)
def dimensions(schema: Resource) -> Iterator[str]:
    """A column without dimensions takes any vector, and cannot be indexed."""
    for table in _tables(schema):
        for column in _vectors(table):
            most = MOST_DIMENSIONS[column["type"]]
            found = column.get("dimensions")
            if not is_number(found, 1, most):
                yield unlike(f"dimensions of {_name(table, column)}", found, f"1 to {most}")


@resource_rule(
    SCHEMA,
    name="schema-vector-index",
    title="Every vector is found through an index",
    severity=Severity.HIGH,
    remediation="Give the column an index: hnsw, or ivfflat for a small table.",
    ai_rmf=("MEASURE 2.5", "MANAGE 2.3"),
)
def vector_index(schema: Resource) -> Iterator[str]:
    """Without one, each search reads the whole table."""
    for table in _tables(schema):
        for column in _vectors(table):
            if not any(_finds(index, column["name"]) for index in table.get("indexes") or ()):
                yield f"no index is on {_name(table, column)}; allowed: hnsw or ivfflat"


def _finds(index: Any, column: str) -> bool:
    return (
        index.get("method") in METHODS
        and index.get("column") == column
        and index.get("distance") in DISTANCES
    )


@resource_rule(
    SCHEMA,
    name="schema-hnsw-parameters",
    title="A graph of vectors is dense enough to find what is near",
    severity=Severity.MEDIUM,
    remediation="Set memory.index: m 16 and ef_construction 64, or at least twice m.",
    ai_rmf=("MEASURE 2.5",),
)
def hnsw_parameters(schema: Resource) -> Iterator[str]:
    """pgvector refuses less than twice m; below 8 the recall of most models breaks down."""
    for table in _tables(schema):
        for index in table.get("indexes") or ():
            if index.get("method") != "hnsw":
                continue
            m, built = index.get("m"), index.get("ef_construction")
            if not is_number(m, SMALLEST_M, LARGEST_M):
                yield unlike("m of hnsw", m, f"{SMALLEST_M} to {LARGEST_M}")
            elif not is_number(built, 2 * m):
                yield unlike("ef_construction of hnsw", built, f"{2 * m} or more")


@resource_rule(
    SCHEMA,
    name="schema-rows-told-apart",
    title="Every table has a primary key",
    severity=Severity.MEDIUM,
    remediation="Name the columns of primary_key.",
    ai_rmf=("MEASURE 2.10",),
)
def rows_told_apart(schema: Resource) -> Iterator[str]:
    """What cannot be named cannot be forgotten on request."""
    for table in _tables(schema):
        named = {column.get("name") for column in table.get("columns") or ()}
        key = table.get("primary_key") or ()
        if not key or not set(key) <= named:
            yield unlike(f"primary_key of {table.get('name')}", key, "columns of the table")


@resource_rule(
    SCHEMA,
    name="schema-least-privilege",
    title="A role may do what its purpose needs",
    severity=Severity.HIGH,
    remediation="Grant app at most SELECT, INSERT, UPDATE, DELETE; reader SELECT.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-6",),
)
def least_privilege(schema: Resource) -> Iterator[str]:
    """TRUNCATE and REFERENCES are for whoever owns the table."""
    for role in schema.get("desired.roles") or ():
        granted = set(role.get("privileges") or ())
        may = MAY.get(role.get("purpose"), frozenset())
        if granted - may:
            allowed = ", ".join(sorted(may)) or "none"
            yield unlike(f"privileges of {role.get('name')}", sorted(granted), allowed)


@resource_rule(
    SCHEMA,
    name="schema-no-administrators",
    title="No program is a member of the administrators",
    severity=Severity.HIGH,
    remediation="Leave out member_of.",
    ai_rmf=("GOVERN 2.1", "MEASURE 2.7"),
    sp800_53=("AC-6(5)",),
)
def no_administrators(schema: Resource) -> Iterator[str]:
    """A membership is one SET ROLE away from everything."""
    for role in schema.get("desired.roles") or ():
        if member_of := role.get("member_of"):
            yield unlike(f"member_of of {role.get('name')}", member_of, "nothing")


@resource_rule(
    SCHEMA,
    name="schema-direct",
    title="A schema is changed on a connection of its own, past any pooler",
    severity=Severity.MEDIUM,
    remediation="Connect to the server's own port: on Azure, and mostly elsewhere, 5432.",
    ai_rmf=("MANAGE 2.3",),
)
def direct(schema: Resource) -> Iterator[str]:
    """Locks of a session are lost in a pool of transactions.

    A customer's server may listen where it likes; one of Azure has one port beside its pooler's.
    """
    port = schema.get("port")
    if port == DIRECT:
        return
    somewhere = port != POOLED and is_number(port, 1, HIGHEST_PORT)
    if not somewhere or str(schema.get("host", "")).endswith(AZURES):
        yield unlike("port", port, f"{DIRECT}; of a customer's server any but {POOLED}")


@resource_rule(
    SCHEMA,
    name="schema-records-stay",
    title="Beside memories is a record of who did what with them, which no program takes back",
    severity=Severity.HIGH,
    remediation="Declare memory_audit and memory_operations, with append_only true.",
    ai_rmf=("MEASURE 2.8", "GOVERN 4.3"),
    sp800_53=("AU-9(4)", "AU-12"),
)
def records_stay(schema: Resource) -> Iterator[str]:
    """Whoever takes over a pod takes over its login; what it did before must outlast that."""
    if not any(_vectors(table) for table in _tables(schema)):
        return
    declared = {table.get("name"): table for table in _tables(schema)}
    for name in RECORDS:
        if name not in declared:
            yield f"{name} is not declared; it is wanted beside memories"
        elif (found := declared[name].get("append_only")) is not True:
            yield unlike(f"append_only of {name}", found, "true")


@stack_rule(
    name="schema-tenants-apart",
    title="Where tenants share a table, the database itself tells their rows apart",
    severity=Severity.CRITICAL,
    remediation="Set memory.isolation for the whole stack; it sets the table and its service.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("AC-3", "AC-4", "SC-4"),
)
def tenants_apart(stack: Stack) -> Iterator[Fault]:
    """A filter that one query forgets shows a customer another's memories."""
    told = [(owner, *_isolation(owner)) for owner in stack.of_type(DEPLOYMENT)]
    schemas = [it for it in stack.of_type(SCHEMA) if any(_vectors(t) for t in _tables(it))]
    for owner, kind, tenants in told:
        if kind == "row":
            for schema in schemas:
                yield from ((schema, fault) for fault in _without_a_wall(schema))
        elif kind in APART:
            places = {(it.get("database"), it.get("desired.schema_name")) for it in schemas}
            if len(places) <= tenants:
                yield (
                    owner,
                    f"{tenants} tenants beside the default, and {len(places)} places for memories;"
                    " allowed: a place for each",
                )


def _isolation(owner: Resource) -> tuple[str, int]:
    """How a Deployment's program is told that tenants are kept apart, and how many there are."""
    for container in pod_of(owner).containers():
        told = {one.get("name"): one.get("value") for one in container.given.get("env") or ()}
        if kind := told.get("ENGRAM_ISOLATION"):
            names = shown(told.get("ENGRAM_TENANTS") or "")
            return shown(kind), len([name for name in names.split(",") if name.strip()])
    return "", 0


def _without_a_wall(schema: Resource) -> Iterator[str]:
    for table in _tables(schema):
        if not _vectors(table):
            continue
        columns = {column.get("name"): column for column in table.get("columns") or ()}
        found = table.get("tenant_column")
        if columns.get(found, {}).get("not_null") is not True:
            yield unlike(
                f"tenant_column of {table.get('name')}", found, "a column that is never null"
            )


def _name(table: Any, column: Any) -> str:
    return f"{table.get('name')}.{column.get('name')}"
