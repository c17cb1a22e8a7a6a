"""Open a SQL prompt on the memory database of the stack, over verified TLS."""

import argparse
import os

from local.cloud.postgres.account import Account
from local.cloud.postgres.binaries import unpack
from local.commands.database import variables
from local.commands.session import Session


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Become psql; its exit code is ours."""
    engine = session.engine()
    binaries = unpack(session.paths.cache, Account.choose())
    outputs = engine.outputs()
    way = variables(session.stack, outputs, engine.extra)
    environment = os.environ | binaries.environment | way
    # The administrator has no rights in the schema, but may become its owner.
    memory = outputs["memory"]
    environment["PGOPTIONS"] = f"-c role={memory['roles']['migrator']}"
    environment["PGOPTIONS"] += f" -c search_path={memory['schema']},public"
    environment["PATH"] = os.environ.get("PATH", os.defpath)  # a pager must be found
    psql = binaries.command("psql")
    os.execve(psql, [psql], environment)  # noqa: S606 - a fixed program, no shell
