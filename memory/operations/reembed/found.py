"""What the catalog shows of a re-embedding: the truth that the ledger is checked against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from psycopg.rows import dict_row

from memory.operations.reembed.errors import GoalRefused
from memory.operations.reembed.goal import Subject, vector_indexes
from memory.schema import catalog as live
from memory.schema.catalog import Table, read_catalog
from memory.schema.connection import Session
from memory.schema.model import DesiredSchema, Role
from memory.schema.model import Table as Declared
from memory.schema.place import Place
from memory.schema.tables import EVERY_TENANT, TENANT_SETTING
from memory.schema.target import OPERATIONS, OWNER_POLICY

Stage = Literal["untouched", "expanded", "swapped"]

LOOK = """
SELECT c.relkind::text AS kind, c.oid::bigint, pg_get_userbyid(c.relowner) AS owner,
  pg_has_role(c.relowner, 'SET') AS settable,
  -- A wall between tenants lets the owner through who asks for all of them; nothing else may
  -- hide a row from it.
  c.relrowsecurity AND c.relforcerowsecurity AND (
    NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
      AND p.polname = %(every_tenant)s AND c.relowner = ANY (p.polroles))
    OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive)
  ) AS forced,
  c.relispartition AS partition,
  EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhparent, i.inhrelid)) AS inherits,
  (SELECT array_agg(a.attname ORDER BY k.place) FROM pg_constraint p,
     unnest(p.conkey) WITH ORDINALITY AS k (number, place)
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
   WHERE p.conrelid = c.oid AND p.contype = 'p') AS keys,
  (SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.place) FROM pg_constraint p,
     unnest(p.conkey) WITH ORDINALITY AS k (number, place)
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
   WHERE p.conrelid = c.oid AND p.contype = 'p') AS key_types,
  (SELECT coalesce(json_object_agg(t.tgname, json_build_object(
     'enabled', t.tgenabled = 'O', 'fires', t.tgenabled <> 'D', 'function', f.proname,
     'source', f.prosrc, 'type', t.tgtype)), '{}')
   FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
   WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers,
  (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
   WHERE e.extname = 'vector') AS vectors_in,
  EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = n.oid AND o.relname = %(ledger)s)
    AS has_ledger,
  (SELECT coalesce(array_agg(DISTINCT pg_describe_object(d.classid, d.objid, 0)), '{}')
   FROM pg_depend d JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
   WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid > 0
     AND a.attname = %(column)s AND d.deptype IN ('n', 'a')
     AND NOT (d.classid = 'pg_class'::regclass
              AND EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = d.objid))
     AND NOT (d.classid = 'pg_constraint'::regclass  -- a NOT NULL is the column's own
              AND EXISTS (SELECT FROM pg_constraint p WHERE p.oid = d.objid AND p.contype = 'n')))
    AS dependents,
  (SELECT coalesce(array_agg(format('GRANT %%s (%%I) ON %%I.%%I TO %%s%%s', g.privilege_type,
       %(next)s::text, n.nspname, c.relname,
       CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
       CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) ORDER BY g), '{}')
   FROM (SELECT x.privilege_type, x.grantee, x.is_grantable
         FROM pg_attribute a, aclexplode(a.attacl) x
         WHERE a.attrelid = c.oid AND a.attname = %(column)s
         EXCEPT
         SELECT x.privilege_type, x.grantee, x.is_grantable
         FROM pg_attribute a, aclexplode(a.attacl) x
         WHERE a.attrelid = c.oid AND a.attname = %(next)s) g) AS missing_grants
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
"""
ROW, BEFORE, INSERT, UPDATE = 1, 2, 4, 16
"""Bits of pg_trigger.tgtype."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A trigger of the table, as the catalog has it."""

    enabled: bool
    """As CREATE TRIGGER leaves it, for all but replication."""
    fires: bool
    """In whatever kind of session."""
    function: str
    source: str
    type: int
    """Bits, as above."""

    @property
    def changes_rows(self) -> bool:
        """Whether it may put other values into a row than the statement has."""
        return bool(
            self.fires and self.type & ROW and self.type & BEFORE and self.type & (INSERT | UPDATE)
        )


@dataclass(frozen=True, kw_only=True)
class Found:
    """The table, and what a re-embedding has done to it so far."""

    subject: Subject
    table: Table
    oid: int
    place: Place
    key_types: tuple[str, ...]
    triggers: Mapping[str, Trigger]
    has_ledger: bool
    dependents: tuple[str, ...]
    """What else refers to the column, in PostgreSQL's words; a view would stay with the old one."""
    missing_grants: tuple[str, ...] = ()
    """Statements that give the new column the rights on the old one that it lacks."""
    ledger_grantees: tuple[str, ...] = ()
    """Who would be given rights on a new table of this schema."""

    @property
    def stage(self) -> Stage:
        """What the columns say; no ledger is asked."""
        if self.subject.previous in self.table.columns:
            return "swapped"
        return "expanded" if self.subject.next in self.table.columns else "untouched"

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns of the primary key."""
        return self.place.primary_key

    def column_type(self, column: str) -> str | None:
        """The type of a column, if it is there."""
        found = self.table.columns.get(column)
        return found.type if found else None

    @property
    def other_indexes(self) -> tuple[str, ...]:
        """Indexes that speak of the column, beside the one that is built for the new one too."""
        column, ours = self.subject.column, self.index_on(self.subject.column)
        return tuple(
            name
            for name, index in sorted(self.table.indexes.items())
            if column in {*index.columns, *index.mentions}
            and name not in {ours[0] if ours else None, self.subject.left_index}
        )

    def index_on(self, column: str) -> tuple[str, live.Index] | None:
        """The one vector index on a column, with its name."""
        names = vector_indexes(self.table, column)
        return (names[0], self.table.indexes[names[0]]) if names else None


def look(session: Session, subject: Subject) -> Found:
    """Read the catalog.  Raises GoalRefused where no re-embedding is possible here."""
    parameters = {
        "schema": subject.schema,
        "table": subject.table,
        "column": subject.column,
        "next": subject.next,
        "ledger": OPERATIONS,
        "every_tenant": OWNER_POLICY,
    }
    with session.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(LOOK, parameters).fetchone()
    if row is None:
        raise GoalRefused(
            f"database {session.info.dbname} has no table {subject.relation}: set PGDATABASE, or"
            " give --schema and --table"
        )
    _refuse_unfit(session, subject, row)
    catalog = read_catalog(session, _only(subject))
    table = catalog.tables[subject.table]
    for column in (subject.column, subject.content):
        if column not in table.columns:
            raise GoalRefused(
                f"{subject.relation} has no column {column}: give --column, --content"
            )
    return Found(
        subject=subject,
        table=table,
        oid=row["oid"],
        place=Place(
            schema=subject.schema,
            table=subject.table,
            owner=row["owner"],
            vectors_in=row["vectors_in"],
            primary_key=tuple(row["keys"]),
        ),
        key_types=tuple(row["key_types"]),
        triggers={name: Trigger(**facts) for name, facts in row["triggers"].items()},
        has_ledger=row["has_ledger"],
        dependents=tuple(row["dependents"]),
        missing_grants=tuple(row["missing_grants"]),
        ledger_grantees=tuple(catalog.schema.default_grants) if catalog.schema else (),
    )


def _only(subject: Subject) -> DesiredSchema:
    """What the schema engine's own eyes look for: any role, and no other table.

    To size another one could wait for its lock, and this is also read under the swap's.
    """
    anybody = DesiredSchema(
        schema_name=subject.schema, roles=(Role(purpose="owner", name="nobody"),), tables=()
    )
    return anybody.model_copy(
        update={
            "tables": (Declared.model_construct(name=subject.table, columns=(), primary_key=()),)
        }
    )


def see_every_row(session: Session, found: Found) -> None:
    """Let the owner's session see the rows of all tenants, or fail where one might be hidden."""
    if found.table.row_security == "forced":  # by tenant, or it would have been refused
        session.execute(f"SET {TENANT_SETTING} = '{EVERY_TENANT}'")
    else:
        session.execute("SET row_security = off")


def _refuse_unfit(session: Session, subject: Subject, row: Mapping[str, Any]) -> None:
    reasons = []
    if row["kind"] != "r":
        reasons.append(
            "it is partitioned, or no table at all; only an ordinary table is re-embedded"
        )
    elif row["partition"] or row["inherits"]:
        reasons.append(
            "it is a partition, or inherits from another table or is inherited from, and then its"
            " columns are not its own: only an ordinary table is re-embedded"
        )
    if not row["settable"]:
        reasons.append(
            f"it belongs to {row['owner']}, and {session.info.user} may not act as it: connect as"
            f" {row['owner']}, or as an administrator that may SET ROLE to it"
        )
    if row["forced"]:
        reasons.append(
            f"row-level security is forced on its owner, who then may not see every row; for the"
            f" time of the re-embedding: ALTER TABLE {subject.relation} NO FORCE ROW LEVEL SECURITY"
        )
    if not row["keys"]:
        reasons.append("it has no primary key, by which rows are found again")
    if reasons:
        raise GoalRefused(f"{subject.relation} cannot be re-embedded: " + "; ".join(reasons))
