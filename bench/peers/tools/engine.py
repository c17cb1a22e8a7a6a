"""The schema engine: ``python -m memory schema apply``, with the wanted schema as a JSON file."""

import json
import secrets
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.measure import Announce
from bench.peers.tools.tool import PROJECTS, Address, Command, Tool, environment, write_private
from bench.peers.wanted import ANN_INDEX, DIMENSIONS, TABLE, WITH_TABLE, Release
from bench.place import variables
from local.paths import Paths
from memory.schema import runner
from memory.schema.connection import Endpoint
from memory.schema.model import (
    VECTOR,
    Btree,
    Column,
    DesiredSchema,
    Hnsw,
    Purpose,
    memory_schema,
)

CLONE = PROJECTS.parents[2]
DIMENSIONS_OF = {Release.MORE_DIMENSIONS: 384}
LINKS_OF = {Release.MORE_LINKS: 24}


@dataclass
class Engine(Tool):
    """Ours.  Beside the table it looks after three roles, their rights and passwords."""

    prefix: str
    """Of its roles, which belong to the whole server."""
    folder: Path = field(init=False)
    passwords: dict[Purpose, str] = field(init=False)
    name = "ours"
    settles = True

    def make_ready(self, paths: Paths, announce: Announce) -> str:
        """Write what is wanted, release by release, and the passwords of its roles."""
        announce("ours: the wanted schemas")
        self.folder = paths.local / f"engine-{self.prefix}"
        self.folder.mkdir()
        roles = desired(Release.INDEX, self.prefix).roles
        self.passwords = {role.purpose: secrets.token_urlsafe() for role in roles}
        write_private(self._passwords, json.dumps(self.passwords))
        for release in Release:
            text = desired(release, self.prefix).model_dump_json()
            self._wanted(release).write_text(text, encoding="utf-8")
        return f"of this clone, psycopg {version('psycopg')}"

    def upgrade(self, release: Release, address: Address) -> Command:
        """Apply; the same command for everything."""
        words = ["apply", "--yes", "--desired", str(self._wanted(release))]
        return Command(
            arguments=[
                *(sys.executable, "-m", "memory", "schema", *words),
                *("--passwords-from", str(self._passwords)),
            ],
            folder=CLONE,
            environment=environment(address.environment),
        )

    def apply_here(self, release: Release, address: Address) -> None:
        """Do the same in this process, as the stack does it."""
        endpoint = Endpoint(
            host=address.host,
            database=address.database,
            user=address.user,
            password=address.password,
        )
        with variables(address.environment):
            runner.apply(endpoint, desired(release, self.prefix), passwords=self.passwords)

    @property
    def _passwords(self) -> Path:
        return self.folder / "passwords.json"

    def _wanted(self, release: Release) -> Path:
        return self.folder / f"{release.value}.json"


def desired(release: Release, prefix: str) -> DesiredSchema:
    """Return a release in the engine's words."""
    schema = memory_schema(
        dimensions=DIMENSIONS_OF.get(release, DIMENSIONS),
        index=Hnsw(column="embedding", m=LINKS_OF.get(release, 16)),
    )
    table = schema.tables[0]
    # The table that all of them make: what the product has beside it is left out.
    columns = tuple(c for c in table.columns if c.name in WITH_TABLE.columns)
    indexes = tuple(i for i in table.indexes if {*i.key_columns()} <= WITH_TABLE.columns.keys())
    changed: dict[str, object] = {"columns": columns, "indexes": indexes}
    if release is Release.TABLE:
        changed["indexes"] = tuple(i for i in indexes if i.name_in(TABLE) != ANN_INDEX)
    elif release is Release.GROWN:
        changed["columns"] = (*columns, Column(name="source", type="text"))
        changed["indexes"] = (*indexes, Btree(columns=("source",)))
    roles = tuple(r.model_copy(update={"name": f"{prefix}_{r.purpose}"}) for r in schema.roles)
    tables = (table.model_copy(update=changed),)
    return schema.model_copy(update={"extensions": (VECTOR,), "roles": roles, "tables": tables})
