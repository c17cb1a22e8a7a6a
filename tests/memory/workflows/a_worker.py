"""A worker of its own process: ``python -m tests.memory.workflows.a_worker QUEUE PAUSE``.

``TEMPORAL_ADDRESS`` leads it, and libpq's variables and the endpoint's lead a re-embedding.
``FIELD_VAULT`` is a folder with real keys, for a rotation as the environment wants it; without it
``STANDIN_DSN`` has rows to play with.
"""

import asyncio
import os
import sys
from pathlib import Path

from memory.operations.rotate_field_keys.setup import from_environment
from memory.operations.tenants import endpoint
from memory.workflows import field_keys
from memory.workflows.client import connect
from memory.workflows.field_keys import Tools
from memory.workflows.worker import Means, Models, leave, log_to_stderr, until_told, working
from tests.memory.encryption.folder_vault import FolderVault
from tests.memory.workflows import standin


def tools() -> Tools:
    """What this worker rotates with."""
    if folder := os.environ.get("FIELD_VAULT"):
        return field_keys.tools(lambda: from_environment(vault=FolderVault(Path(folder))))
    return standin.tools(os.environ.get("STANDIN_DSN", ""), float(sys.argv[2]))


async def main() -> None:
    """Work until told to stop."""
    log_to_stderr()
    means = Means(tools=tools(), endpoint=endpoint, model=Models())
    with working(await connect(), sys.argv[1], means) as worker:
        sys.stdout.write("working\n")
        sys.stdout.flush()
        await until_told(worker)


if __name__ == "__main__":
    asyncio.run(main())
    leave(0)
