"""Statements in one transaction and one round trip, on pooled connections.

All statements of a call are sent before any answer is waited for, and the one Sync behind them ends
their transaction: so ``SET LOCAL`` of the first reaches the others, nothing reaches the next
caller, and a pooler in transaction mode may stand in between.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors as sqlstates
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests
from pydantic_core import from_json

from memory.service.errors import Busy, Conflict, Invalid, ServiceError, Unavailable
from memory.service.vectors import Packed, PackedDumper

Connection = psycopg.AsyncConnection[DictRow]
Rows = list[DictRow]
TRIES = 2
"""A connection that broke while it was idle is noticed only when it is used."""
SHORTEST_IDLE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement and its values."""

    text: str
    values: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class PoolLimits:
    """How many connections, and how many requests may wait for one, and for how long."""

    least: int
    most: int
    waiting: int
    timeout_seconds: float


class Database:
    """One database.  Open it in the event loop that uses it."""

    def __init__(
        self,
        name: str,
        parameters: Callable[[], dict[str, Any]],
        limits: PoolLimits,
        observe: Callable[[str, float], None],
    ) -> None:
        self.name = name
        self._limits = limits
        self._observe = observe
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs=lambda: {**parameters(), "autocommit": True, "prepare_threshold": None},
            connection_class=psycopg.AsyncConnection[DictRow],
            configure=_prepare,
            min_size=limits.least,
            max_size=limits.most,
            max_waiting=limits.waiting,
            timeout=limits.timeout_seconds,
            max_idle=SHORTEST_IDLE_SECONDS,
            reconnect_timeout=10,
            name=name,
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect; a database that is away is waited for by the requests."""
        await self.pool.open(wait=False)

    async def close(self) -> None:
        """Give every connection back."""
        await self.pool.close(timeout=5)

    async def run(self, operation: str, statements: Sequence[Statement]) -> Rows:
        """Return the rows of the last statement, once all of them are committed.

        A broken connection is replaced and everything sent again, so each call must be one that
        may be repeated.  Raises Busy, Unavailable, Invalid, Conflict.
        """
        for attempt in range(1, TRIES + 1):
            try:
                return await self._once(operation, statements)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not _is_loss(error):
                    raise _explained(error) from error
                if attempt == TRIES:
                    raise Unavailable("the database does not answer") from error
                await self.pool.check()
            except psycopg.Error as error:
                raise _explained(error) from error
        raise AssertionError("the last try has returned or raised")

    async def _once(self, operation: str, statements: Sequence[Statement]) -> Rows:
        try:
            async with self.pool.connection() as connection:
                begun = time.perf_counter()
                async with connection.pipeline():
                    for statement in statements:
                        cursor = await connection.execute(statement.text, statement.values)
                rows = await cursor.fetchall() if cursor.description else []
                self._observe(operation, time.perf_counter() - begun)
                return rows
        except TooManyRequests:
            raise Busy(f"{self._limits.waiting} requests wait for a connection already") from None
        except PoolTimeout:
            raise Busy(f"no connection became free in {self._limits.timeout_seconds:g} s") from None
        except PoolClosed:
            raise Unavailable("the service is stopping") from None


async def _prepare(connection: Connection) -> None:
    connection.row_factory = dict_row
    connection.adapters.register_dumper(Packed, PackedDumper)
    set_json_loads(from_json, connection)


def _is_loss(error: psycopg.Error) -> bool:
    """Whether the connection is gone, and not the statement refused."""
    return error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate in SHUTDOWNS


SHUTDOWNS = frozenset({"57P01", "57P02", "57P03"})


def _explained(error: psycopg.Error) -> ServiceError:
    """Return what a caller learns; the server's own text may quote what was sent."""
    match error:
        case sqlstates.QueryCanceled():
            return Busy("the database did not finish in time; ask for less, or again later")
        case sqlstates.SerializationFailure() | sqlstates.DeadlockDetected():
            return Busy("the database gave way to another request; send it again")
        case psycopg.DataError():
            return Invalid("the database cannot hold one of the values")
        case psycopg.IntegrityError():
            return Conflict("the database holds something that contradicts this")
    return Unavailable(f"the database refused ({error.sqlstate}); /readyz says what it lacks")
