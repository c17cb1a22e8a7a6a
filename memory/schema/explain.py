"""A plan in prose, for whoever answers for the database: a paragraph for every step.

What was found and is wanted, which lock it takes and whom that blocks, what it touches, how time
and memory were reckoned, what a kill leaves and how the next run heals it, and how to undo it.
"""

import re
from collections.abc import Iterator
from textwrap import fill

from memory.schema.estimate import BuildCost
from memory.schema.events import PATIENT, Patience
from memory.schema.steps import Cost, Plan, Step

WIDTH = 96
BLOCKED_BY = (
    ("ACCESS EXCLUSIVE", "everybody, readers as well"),
    ("SHARE UPDATE EXCLUSIVE", "other DDL, VACUUM and ANALYZE; reads and writes go on"),
    ("SHARE ROW EXCLUSIVE", "writers and other DDL; readers go on"),
    ("SHARE", "writers; readers go on"),
    ("rows of the system catalog", "only who changes the same roles or grants"),
)
"""Locks by how a step names them, the first that fits; PostgreSQL's table of lock conflicts."""
# One row for each kind of statement that the planner writes: how it begins, and what takes it back.
UNDO = (
    (
        r"CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(\S+) ON (\S+)\.",
        r"DROP INDEX CONCURRENTLY \2.\1",
    ),
    (r"DROP INDEX", "build it again: declare it, and apply"),
    (r"ALTER INDEX (\S+?)\.(\S+) RENAME TO (\S+)", r"ALTER INDEX \1.\3 RENAME TO \2"),
    (r"CREATE TABLE (\S+)", r"DROP TABLE \1, with every row that it has by then"),
    (r"DROP TABLE", "restore it from a backup"),
    (r"CREATE SCHEMA (\S+)", r"DROP SCHEMA \1, once it is empty"),
    (r"DROP SCHEMA", "restore it from a backup"),
    (r"CREATE EXTENSION (?:IF NOT EXISTS )?(\S+)", r"DROP EXTENSION \1, once nothing uses it"),
    (r"ALTER EXTENSION \S+ UPDATE", "nothing leads back to the earlier version but a backup"),
    (r"CREATE ROLE (\S+)", r"DROP ROLE \1, once it owns nothing and no grant names it"),
    (r"DROP ROLE", "declare it, and apply; its password is set anew"),
    (r"ALTER ROLE (\S+) PASSWORD", "apply with the earlier password"),
    (r"(ALTER ROLE \S+ IN DATABASE \S+) SET (\S+)", r"\1 RESET \2, or SET it as it was"),
    (r"GRANT (.+?) ON (.+) TO (\S+)", r"REVOKE \1 ON \2 FROM \3"),
    (r"GRANT (\S+) TO (\S+)", r"REVOKE \1 FROM \2"),
    (r"REVOKE (.+?) ON (.+) FROM (\S+)", r"GRANT \1 ON \2 TO \3"),
    (r"REVOKE (\S+) FROM (\S+)", r"GRANT \1 TO \2"),
    (r"(ALTER DEFAULT PRIVILEGES .+?) GRANT (.+) TO (\S+)", r"\1 REVOKE \2 FROM \3"),
    (r"(ALTER DEFAULT PRIVILEGES .+?) REVOKE (.+) FROM (\S+)", r"\1 GRANT \2 TO \3"),
    (r"(ALTER TABLE \S+) ADD COLUMN (\S+)", r"\1 DROP COLUMN \2, with what it holds by then"),
    (r"(ALTER TABLE \S+) ADD CONSTRAINT (\S+)", r"\1 DROP CONSTRAINT \2"),
    (r"ALTER TABLE \S+ VALIDATE CONSTRAINT", "nothing to undo: it only reads"),
    (r"(ALTER TABLE \S+ ALTER COLUMN \S+) SET NOT NULL", r"\1 DROP NOT NULL"),
    (r"(ALTER TABLE \S+ ALTER COLUMN \S+) DROP NOT NULL", r"\1 SET NOT NULL"),
    (r"ALTER TABLE \S+ DROP CONSTRAINT", "nothing to undo: it was made for the change"),
    (r"ALTER TABLE (\S+) SET LOGGED", r"ALTER TABLE \1 SET UNLOGGED"),
    (r"(ALTER TABLE \S+ ALTER COLUMN \S+) TYPE", r"\1 TYPE and what it was, while it is empty"),
    (r"(ALTER (?:TABLE|SCHEMA) \S+) OWNER TO", r"\1 OWNER TO whom it belonged to"),
    (r"(ALTER TABLE \S+) ENABLE ROW", r"\1 DISABLE ROW LEVEL SECURITY: all rows are seen then"),
    (r"(ALTER TABLE \S+) FORCE ROW", r"\1 NO FORCE ROW LEVEL SECURITY"),
    (r"(ALTER TABLE \S+) DISABLE ROW", r"\1 ENABLE ROW LEVEL SECURITY"),
    (r"(ALTER TABLE \S+) NO FORCE ROW", r"\1 FORCE ROW LEVEL SECURITY"),
    (r"CREATE POLICY (\S+) ON (\S+)", r"DROP POLICY \1 ON \2: its tenants see no row then"),
    (r"DROP POLICY", "create it as it was"),
    (r"EXPLAIN", "nothing to undo: it is rolled back"),
    (r"LOCK TABLE|DO ", "nothing to undo: it changes nothing"),
)
BY_DECLARATION = "declare what was found before, and apply"


def explain(plan: Plan, patience: Patience = PATIENT) -> str:
    """The whole plan, one paragraph a step; a transaction is introduced once."""
    parts = [_overview(plan)]
    number = 0
    for batch in plan.batches():
        parts.append(_batch(batch, patience))
        for step in batch:
            number += 1
            parts.append(_step(number, step))
    parts += [f"Left alone: {note}" for note in plan.notes]
    return "\n\n".join(parts) + "\n"


def undo(statement: str) -> str:
    """What takes a statement back."""
    text = " ".join(statement.split())
    for pattern, answer in UNDO:
        if found := re.match(pattern, text):
            return found.expand(answer)
    return BY_DECLARATION


def blocks(lock: str) -> str:
    """Whom a lock keeps waiting."""
    return next((who for words, who in BLOCKED_BY if lock.startswith(words)), "nobody")


def _overview(plan: Plan) -> str:
    if not plan.steps:
        return "Nothing to do: the database is as it is wanted."
    batches = list(plan.batches())
    alone = sum(not batch[0].transactional for batch in batches)
    minutes = sum(step.cost.minutes for step in plan.steps)
    lost = sum(step.destructive for step in plan.steps)
    return _paragraph(
        f"{_number(len(plan.steps), 'step')} in {_number(len(batches), 'batch')}, {alone} of them"
        f" outside any transaction; about {minutes:,.1f} minutes on one core. "
        + (f"{lost} of them lose data." if lost else "None of them loses data.")
    )


def _number(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("ch") else f"{what}s"
    return f"{count} {what if count == 1 else plural}"


def _batch(batch: tuple[Step, ...], patience: Patience) -> str:
    first = batch[0]
    if first.transactional:
        return _paragraph(
            f"Transaction {first.batch!r}, all or nothing. It waits for a lock no longer than"
            f" {patience.lock_timeout_ms / 1000:g} s, lets others pass, and tries again for"
            f" {patience.retry_seconds:.0f} s; who stands in the way is named. A kill at any point"
            " of it leaves nothing: the server rolls it back, and the next run plans it again."
        )
    return _paragraph(f"Outside any transaction. {' '.join(_left_by_a_kill(first))}")


def _left_by_a_kill(step: Step) -> Iterator[str]:
    if step.probe is not None:
        yield "A kill leaves nothing: what it does is rolled back. The next run proves it again."
    elif step.sql.startswith("DROP INDEX"):
        yield (
            "A kill leaves the index, perhaps INVALID: it answers no query and still costs every"
            " write. The next run drops it."
        )
    else:
        yield (
            "It waits for older transactions without a time-out, blocking nobody. A kill leaves an"
            " INVALID index: it answers no query and still costs every write."
        )
        yield "The next run drops it and builds again; one that was finished is taken over."


def _step(number: int, step: Step) -> str:
    facts = {
        "found": step.why,
        "lock": f"{step.lock}; it blocks {blocks(step.lock)}",
        **_costs(step.cost),
        "undo": undo(step.sql),
    }
    if step.role:
        facts["as role"] = step.role
    if step.destructive:
        facts["loses"] = "data, for good"
    lines = [f"{number}. {step.sql}"]
    lines += [_fact(name, text) for name, text in facts.items()]
    return "\n".join(lines)


def _costs(cost: Cost) -> dict[str, str]:
    if not cost.rows:
        return {"touches": "no row"}
    facts = {"touches": f"{cost.rows:,} rows; about {cost.bytes / 2**20:,.0f} MiB"}
    if cost.minutes:
        terms = cost.minutes_terms if isinstance(cost, BuildCost) else "reading every row once"
        facts["time"] = f"about {cost.minutes:,.2f} minutes = {terms}; workers divide it"
    if cost.memory_mib and isinstance(cost, BuildCost):
        facts["memory"] = f"{cost.memory_mib:,} MiB = {cost.memory_terms}"
        if cost.smaller:
            facts["smaller"] = "; ".join(cost.smaller)
    return facts


def _fact(name: str, text: str) -> str:
    return fill(text, WIDTH, initial_indent=f"     {name:<9}", subsequent_indent=" " * 14)


def _paragraph(text: str) -> str:
    return fill(text, WIDTH)
