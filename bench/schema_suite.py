"""The schema engine against the same SQL through psql, on a real server over verified TLS.

psql gets ready made what the engine has to find out: the rendered plan of a first run with its
password verifiers; and for a run without changes the same lock, the same look at the catalog and
the same three logins that prove the roles' passwords.  The engine runs in this process, as it
does in the stack; psql is a process of its own.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from psycopg.conninfo import make_conninfo

from bench.errors import BenchError
from bench.measure import Contender, Suite
from bench.place import variables
from bench.server import Server
from local.paths import Paths
from memory.schema import runner
from memory.schema.catalog import SNAPSHOT, snapshot_parameters
from memory.schema.lock import LOCK_KEY
from memory.schema.model import DesiredSchema, Purpose, memory_schema
from memory.schema.passwords import verifier
from memory.schema.plan import plan
from memory.schema.render import as_sql
from memory.schema.steps import Plan, Step

FIRST_SQL = "psql, first apply"
NO_CHANGE_SQL = "psql, no change"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A server, the schema that it shall have, and the passwords of its roles."""

    server: Server
    desired: DesiredSchema
    passwords: dict[Purpose, str]

    @classmethod
    def create(cls) -> "Bench":
        """Make a server, and invent passwords."""
        desired = memory_schema()
        passwords = {role.purpose: secrets.token_urlsafe() for role in desired.roles}
        return cls(server=Server.create(), desired=desired, passwords=passwords)

    def empty(self) -> None:
        """Let nothing of the schema stand."""
        self.server.empty([role.name for role in self.desired.roles])

    def apply(self) -> Plan:
        """Bring the database to the schema; return what there was to do."""
        endpoint = self.server.endpoint()
        return runner.apply(endpoint, self.desired, passwords=self.passwords).plan

    def script_of_first_apply(self) -> str:
        """Return what the engine does to an empty database, with verifiers for passwords."""
        endpoint = self.server.endpoint()
        todo = plan(runner.inspect(endpoint, self.desired), self.desired)
        with self.server.session("postgres") as session:
            verifiers: dict[str | None, str] = {
                role.purpose: verifier(session, role.name, self.passwords[role.purpose])
                for role in self.desired.roles
            }
        return as_sql(replace(todo, steps=tuple(_complete(s, verifiers) for s in todo.steps)))

    def script_of_no_change(self) -> str:
        """Return what the engine asks before it knows that nothing is to be done."""
        look = snapshot_parameters(self.desired)
        lines = [
            f"{runner.SESSION.strip()};",
            f"SELECT pg_try_advisory_lock{LOCK_KEY};",
            f"{self.server.filled_in(SNAPSHOT, look)};",
            f"SELECT pg_advisory_unlock{LOCK_KEY};",
        ]
        for role in self.desired.roles:
            login = make_conninfo(user=role.name, password=self.passwords[role.purpose])
            lines.append(f'\\connect "{login}"')
        return "\n".join(lines) + "\n"


@contextmanager
def schema(_: Paths) -> Iterator[Suite]:
    """First apply and a run without changes, each against its SQL through psql."""
    bench = Bench.create()
    with variables(bench.server.way):
        bench.empty()
        first, no_change = bench.script_of_first_apply(), bench.script_of_no_change()
        _prove_equal(bench, first)
        yield Suite(title="schema", contenders=_contenders(bench, first, no_change))


def _contenders(bench: Bench, first: str, no_change: str) -> tuple[Contender, ...]:
    psql, empty, apply = bench.server.psql, bench.empty, bench.apply
    return (
        Contender(name=FIRST_SQL, prepare=empty, run=lambda: psql(first)),
        Contender(name="engine, first apply", prepare=empty, run=apply, against=FIRST_SQL),
        Contender(name=NO_CHANGE_SQL, prepare=apply, run=lambda: psql(no_change)),
        Contender(name="engine, no change", prepare=apply, run=apply, against=NO_CHANGE_SQL),
    )


def _complete(step: Step, verifiers: Mapping[str | None, str]) -> Step:
    """Put the verifier where the plan has its place."""
    return replace(step, sql=step.sql.replace("{verifier}", verifiers.get(step.password_of, "")))


def _prove_equal(bench: Bench, script: str) -> None:
    """Raise ``BenchError`` unless the script through psql leaves the engine nothing to do."""
    bench.server.psql(script)
    left = bench.apply().steps
    if left:
        raise BenchError(f"psql and the engine disagree; after psql there remained: {left}")
