"""What stood in the way of a command, in words that a user can act upon."""

import sqlite3
import subprocess
from pathlib import Path

import psycopg

from local.cloud.arm import ArmError
from local.errors import LocalError

FAILURES = (LocalError, ArmError, OSError, subprocess.SubprocessError, psycopg.Error, sqlite3.Error)
"""What this machine can do to a command. Anything else is a mistake of ours, and shows itself."""

AGAIN = "Correct the cause and run the command again."


def in_words(error: BaseException) -> str:
    """Say what was found and what to do; a program's arguments are not repeated."""
    match error:
        case LocalError():
            return str(error)
        case subprocess.TimeoutExpired():
            return (
                f"{_program(error.cmd)} did not end within {error.timeout:g} s; the machine may "
                "be too busy. Run the command again; if that does not help, run `make down` first."
            )
        case subprocess.CalledProcessError():
            return f"{_program(error.cmd)} failed with exit code {error.returncode}. {AGAIN}"
        case OSError():
            place = f": {error.filename}" if error.filename else ""
            return f"{error.strerror or error}{place}. {AGAIN}"
        case psycopg.Error():
            return (
                f"PostgreSQL: {str(error).strip()}\n`make status` shows the servers; `make down` "
                "and `make up` start them anew."
            )
        case _:
            return f"the local cloud: {error}. {AGAIN}"


def _program(command: object) -> str:
    first = command[0] if isinstance(command, list | tuple) else str(command).split()[0]
    return Path(str(first)).name
