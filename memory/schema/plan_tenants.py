"""Steps for the wall between tenants: row-level security, forced, with two policies of ours.

It goes up whole: no moment is without the policies while rows are secured, and none in which they
are there and not secured.  The first policy shows a session its tenant's rows; the second lets the
owner see all of them, for work on the whole table, where a session asks for it by name.
"""

from collections.abc import Iterator

from memory.schema import sql
from memory.schema.catalog import Policy, Table
from memory.schema.place import BRIEFLY, Place
from memory.schema.steps import Step
from memory.schema.target import POLICIES

SECURED = ("ENABLE", "FORCE")


def first_wall_steps(place: Place, want: Table) -> Iterator[Step]:
    """The wall of a new table."""
    yield from wall_up_steps(place, Table(owner=want.owner), want)


def wall_down_steps(place: Place, have: Table, want: Table) -> Iterator[Step]:
    """Take down what is not wanted, and what stands on a column whose type changes."""
    gone = [name for name in have.policies if name not in _kept(have, want)]
    if have.row_security and not want.row_security:
        yield _security(place, "DISABLE", "tenants are no longer told apart: all rows are seen")
        yield _security(place, "NO FORCE", "tenants are no longer told apart")
    for name in sorted(gone):
        ours = name in POLICIES
        yield place.step(
            f"DROP POLICY {sql.name(name)} ON {place.relation}",
            "is not as it is wanted" if ours else "lets rows of other tenants through",
            BRIEFLY,
            place.batch,
        )


def wall_up_steps(place: Place, have: Table, want: Table) -> Iterator[Step]:
    """Policies first, and then what makes them count, for the owner as well."""
    kept = _kept(have, want)
    for name, policy in want.policies.items():
        if name not in kept:
            yield place.step(
                _create(place, name, policy),
                "whose rows a session sees and stores",
                BRIEFLY,
                place.batch,
            )
    if want.row_security and have.row_security != want.row_security:
        for verb in SECURED:
            who = "the owner as well" if verb == "FORCE" else "every login"
            yield _security(place, verb, f"{who} sees only what the policies let through")


def _kept(have: Table, want: Table) -> set[str]:
    """Policies that stay; PostgreSQL changes no type under one."""
    retyped = any(
        name in have.columns and have.columns[name].type != column.type
        for name, column in want.columns.items()
    )
    same = {name for name, policy in want.policies.items() if have.policies.get(name) == policy}
    return set() if retyped else same


def _create(place: Place, name: str, policy: Policy) -> str:
    roles = ", ".join(sql.grantee(role) for role in policy.roles)
    return (
        f"CREATE POLICY {sql.name(name)} ON {place.relation} FOR {policy.command} TO {roles}"
        f" USING {policy.using}"
    )


def _security(place: Place, verb: str, why: str) -> Step:
    statement = f"ALTER TABLE {place.relation} {verb} ROW LEVEL SECURITY"
    return place.step(statement, why, BRIEFLY, place.batch)
