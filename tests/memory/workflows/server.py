"""Temporal's own development server: a process of its own, in memory, on a free port."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.client import Client

from local.paths import Paths

TEMPORAL = Paths.current().bin / "temporal"
READY_SECONDS = 60


@contextmanager
def serving() -> Iterator[str]:
    """Serve until the end of the block; the address is given."""
    assert TEMPORAL.exists(), "temporal is not built: run `make .local/bin/temporal`"
    address = f"127.0.0.1:{_free_port()}"
    command = [str(TEMPORAL), "server", "start-dev", "--headless", "--log-level", "error"]
    with subprocess.Popen(
        [*command, "--ip", "127.0.0.1", "--port", address.rpartition(":")[2]],
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            asyncio.run(_answers(address))
            yield address
        finally:
            process.terminate()


async def _answers(address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(RuntimeError):
            client = await Client.connect(address)
            await client.count_workflows()
            return
        assert time.monotonic() < deadline, "Temporal's server did not come up"
        await asyncio.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
