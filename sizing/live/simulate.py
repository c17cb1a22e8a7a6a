"""Loads synthetic rows of a stated shape into a scratch database, and measures what they take."""

from dataclasses import dataclass

from memory.schema.connection import Endpoint
from memory.schema.events import Report, silent
from sizing.live import zep
from sizing.live.compare import Comparison, compare
from sizing.live.load import Loader, Say
from sizing.live.relations import Sizes, sizes
from sizing.live.scratch import Scratch, scratch
from sizing.live.synthetic import Corpus
from sizing.predict import predict
from sizing.relations import MEMORIES, ZEP_TABLES
from sizing.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """How rows arrive."""

    server: Endpoint
    workload: Workload
    index_first: bool = False
    """Insert into the vector index; otherwise the schema engine builds it when all is loaded."""
    seed: int = 6
    say: Say
    report: Report = silent
    """What the schema engine does."""

    @property
    def _corpus(self) -> Corpus:
        return Corpus(workload=self.workload, seed=self.seed)

    def run(self) -> Comparison:
        """Load, measure, remove, and compare with what was predicted."""
        with scratch(self.server, self.workload) as place:
            found = {**self._memories(place), **self._zep(place)}
        return compare(predict(self.workload).objects, found)

    def _memories(self, place: Scratch) -> Sizes:
        place.apply(self.report, vector_index=self.index_first)
        with place.session("app") as session:
            Loader(session=session, corpus=self._corpus, say=self.say).memories(place.table)
        place.apply(self.report, vector_index=True)
        with place.session("migrator") as session:
            session.execute(f"VACUUM (ANALYZE) {place.desired.schema_name}.{MEMORIES}")
            return sizes(session, place.desired.schema_name, [MEMORIES])

    def _zep(self, place: Scratch) -> Sizes:
        with place.session() as session:
            Loader(session=session, corpus=self._corpus, say=self.say).zep()
            session.execute("VACUUM (ANALYZE) zep.messages, zep.sessions, zep.users")
            return sizes(session, zep.SCHEMA, list(ZEP_TABLES))
