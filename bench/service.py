"""What a search costs by HTTP, against the same SQL through psycopg.

Both send the service's own statements, settings and audit record included, over verified TLS and
through a pool of the same size; the one asks the running service, the other the server.  Clients
are closed loops: each sends its next request when the last is answered.  The contenders take turns
in slices, so that what else the machine does falls on both.
"""

import asyncio
import itertools
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.errors import BenchError
from bench.hnsw_table import Memories, large_server
from bench.measure import Announce
from bench.study import Cell, Study
from bench.vectors import Corpus, Vectors
from local.cloud.postgres.ports import LOOPBACK
from local.paths import Paths
from memory.schema.connection import Endpoint, parameters
from memory.service.database import Database, PoolLimits, Statement
from memory.service.statements import Statements
from memory.service.statements import settings as set_local
from memory.service.store import LAZY
from memory.service.vectors import packed

ROWS = (10_000, 100_000)
CLIENTS = (1, 8, 32)
NEIGHBOURS, EF_SEARCH = 10, 40
QUERIES = 200
"""Different ones; they are asked over and over."""
SLICE_REQUESTS = 320
"""Of all clients together, before the other contender's turn."""
SLICES = 4
"""A round."""
POOL = 10
GOAL = 1.5
HTTP, PSYCOPG, BARE = "HTTP", "psycopg, the same SQL", "psycopg, without the record"
PERCENTILES = (50, 95, 99)
START_SECONDS = 60

Ask = Callable[[int], Awaitable[None]]
"""Ask one question, by its number; return when it is answered."""


Found = Mapping[str, tuple[Sequence[float], float]]
"""By contender: seconds of each request, and seconds in all."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The service's address, and a key for it."""

    port: int
    key: str


@dataclass(frozen=True, kw_only=True)
class Race:
    """Who runs against whom."""

    memories: Memories
    running: Running
    vectors: Vectors
    slices: int

    async def run(self, clients: int) -> Found:
        """Let all contenders take turns."""
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            bare = by_psycopg(self.memories, self.vectors, clients, recorded=False)
            contenders = {
                HTTP: await enter(by_http(self.running, self.vectors, clients)),
                PSYCOPG: await enter(by_psycopg(self.memories, self.vectors, clients)),
                BARE: await enter(bare),
            }
            return await taking_turns(contenders, self.slices)


def service(_: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """Searches by HTTP and by psycopg: p50, p95, p99 with 1, 8 and 32 clients."""
    corpus = Corpus()
    vectors, slices = corpus.queries(QUERIES).vectors, rounds * SLICES
    with large_server() as server:
        for rows in ROWS:
            memories = Memories.create(server, "vector", corpus.dimensions)
            memories.load(corpus, rows, announce)
            announce(f"{rows:,} rows: building the index")
            memories.apply()
            with serving(memories) as running:
                race = Race(memories=memories, running=running, vectors=vectors, slices=slices)
                yield asyncio.run(_study(race, rows, announce))


async def _study(race: Race, rows: int, announce: Announce) -> Study:
    table: list[tuple[Cell, ...]] = []
    ratios: list[str] = []
    for clients in CLIENTS:
        announce(f"{rows:,} rows, {clients} clients")
        found = await race.run(clients)
        for name, (seconds, elapsed) in found.items():
            figures = [round(float(np.percentile(seconds, p)) * 1000, 2) for p in PERCENTILES]
            table.append((clients, name, *figures, round(len(seconds) / elapsed)))
        ratio = _p95(found[HTTP][0]) / _p95(found[PSYCOPG][0])
        ratios.append(f"{clients} clients {ratio:.2f}, {'met' if ratio <= GOAL else 'missed'}")
    return Study(
        title=f"search through the service, {rows:,} x {race.memories.dimensions}, k {NEIGHBOURS}",
        headers=("clients", "by", "p50 ms", "p95 ms", "p99 ms", "a second"),
        rows=tuple(table),
        notes=(
            f"{SLICE_REQUESTS} requests x {race.slices} slices each, {POOL} connections",
            f"p95 by HTTP / the same SQL, goal {GOAL}: {'; '.join(ratios)}",
        ),
    )


def _p95(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 95))


async def taking_turns(contenders: Mapping[str, Sequence[Ask]], slices: int) -> Found:
    """Return what each request took, and all requests of a contender together."""
    found: dict[str, tuple[list[float], float]] = {name: ([], 0.0) for name in contenders}
    for turn in range(slices + 1):
        for name, clients in contenders.items():
            begun = time.perf_counter()
            seconds = await _slice(clients)
            if turn:  # the first fills caches and pools
                known, elapsed = found[name]
                found[name] = (known + seconds, elapsed + time.perf_counter() - begun)
    return found


async def _slice(clients: Sequence[Ask]) -> list[float]:
    numbers = itertools.count()
    seconds: list[float] = []

    async def client(ask: Ask) -> None:
        while (number := next(numbers)) < SLICE_REQUESTS:
            begun = time.perf_counter()
            await ask(number % QUERIES)
            seconds.append(time.perf_counter() - begun)

    await asyncio.gather(*(client(ask) for ask in clients))
    return seconds


# -- the contenders --------------------------------------------------------------------


@asynccontextmanager
async def by_http(running: Running, vectors: Vectors, clients: int) -> AsyncIterator[Sequence[Ask]]:
    """One kept connection a client, requests ready made: the caller's own work is no part."""
    bodies = [
        json.dumps({"embedding": [round(float(x), 8) for x in v], "k": NEIGHBOURS}).encode()
        for v in vectors
    ]
    head = "POST /memories/search HTTP/1.1\r\nhost: memory\r\ncontent-type: application/json\r\n"
    head += f"authorization: Api-Key {running.key}\r\n"
    requests = [f"{head}content-length: {len(b)}\r\n\r\n".encode() + b for b in bodies]
    opened = [await asyncio.open_connection(LOOPBACK, running.port) for _ in range(clients)]
    try:
        yield [_asking(requests, reader, writer) for reader, writer in opened]
    finally:
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()


def _asking(
    requests: Sequence[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Ask:
    async def ask(number: int) -> None:
        writer.write(requests[number])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200") or body.count(b'"distance"') != NEIGHBOURS:
            raise BenchError(f"the service answered {head[:40]!r} {body[:200]!r}")

    return ask


@asynccontextmanager
async def by_psycopg(
    memories: Memories, vectors: Vectors, clients: int, *, recorded: bool = True
) -> AsyncIterator[Sequence[Ask]]:
    """Statements ready made, through a pool like the service's."""
    schema, table = memories.desired.schema_name, memories.table.name
    statements = Statements(schema=schema, table=table)
    audit = {"tenant": "default", "actor": "b" * 16, "operation": "search", "request_id": "r" * 32}
    local = set_local({
        "engram.tenant": "default", "statement_timeout": "20000",
        "hnsw.ef_search": str(EF_SEARCH), "hnsw.iterative_scan": "off", **LAZY,
    })  # fmt: skip
    asked = [
        statements.search(packed(list(map(float, v)), len(v), "vector"), NEIGHBOURS, {}, (), audit)
        for v in vectors
    ]
    if not recorded:
        asked = [_unrecorded(one) for one in asked]
    limits = PoolLimits(least=POOL, most=POOL, waiting=0, timeout_seconds=60)
    database = Database("bench", lambda: parameters(_login(memories)), limits, lambda *_: None)
    await database.open()

    async def ask(number: int) -> None:
        rows = await database.run("search", [local, asked[number]])
        if len(rows) != NEIGHBOURS:
            raise BenchError(f"the server answered with {len(rows)} rows")

    try:
        yield [ask] * clients
    finally:
        await database.close()


def _unrecorded(statement: Statement) -> Statement:
    """Leave the audit record out."""
    before, _, rest = statement.text.partition(", recorded AS (")
    shown = rest[rest.rindex("SELECT * FROM found") :]
    return Statement(text=" ".join((before, shown)), values=statement.values)


def _login(memories: Memories) -> Endpoint:
    whole = memories.server.endpoint()
    return Endpoint(
        host=whole.host,
        database=whole.database,
        user=memories.desired.role("app").name,
        password=memories.passwords["app"],
    )


# -- the service -----------------------------------------------------------------------


@contextmanager
def serving(memories: Memories) -> Iterator[Running]:
    """Run the service on free ports, as its pod would."""
    key = secrets.token_urlsafe(32)
    with tempfile.TemporaryDirectory(prefix="engram-bench-service-") as folder:
        (Path(folder) / "keys").write_text(f"{key}\n", encoding="utf-8")
        (Path(folder) / "password").write_text(memories.passwords["app"], encoding="utf-8")
        log = Path(folder) / "log"
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "memory.service"],
                env={**os.environ, **_environment(memories, folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Running(port=_port(process, log), key=key)
        finally:
            process.terminate()
            process.wait(60)


def _environment(memories: Memories, folder: str) -> dict[str, str]:
    login = _login(memories)
    return {
        "PGHOST": login.host,
        "PGDATABASE": login.database,
        "PGUSER": login.user,
        "ENGRAM_DATABASE_PASSWORD_FILE": f"{folder}/password",
        "ENGRAM_API_KEYS_FILE": f"{folder}/keys",
        "ENGRAM_TABLE": memories.relation,
        "ENGRAM_DIMENSIONS": str(memories.dimensions),
        "ENGRAM_HNSW_EF_SEARCH": str(EF_SEARCH),
        "ENGRAM_POOL_SIZE": str(POOL),
        "ENGRAM_POOL_MAX_OVERFLOW": "0",
        "ENGRAM_HOST": LOOPBACK,
        "ENGRAM_PORT": "0",
        "ENGRAM_METRICS_PORT": "0",
    }


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    """Wait until it says where it serves."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "serving":
                return int(event["port"])
        time.sleep(0.05)
    raise BenchError(f"the service did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
