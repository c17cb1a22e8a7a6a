"""``python -m memory``: the door to the data plane."""

import argparse
import sys
from importlib import import_module

OPERATIONS = "memory.operations"
DOORS = {
    "schema": "memory.schema.cli",
    "zep": f"{OPERATIONS}.cli",
    "reembed": f"{OPERATIONS}.reembed.cli",
    "rotate-field-keys": f"{OPERATIONS}.rotate_field_keys.cli",
    "rotate-cmk": f"{OPERATIONS}.rotate_cmk.cli",
    "restore-drill": f"{OPERATIONS}.restore_drill.cli",
    "revoke-drill": f"{OPERATIONS}.revoke_drill.cli",
    "resize": f"{OPERATIONS}.resize.cli",
    "retention": f"{OPERATIONS}.retention.cli",
    "forget": f"{OPERATIONS}.forget.cli",
    "verify": f"{OPERATIONS}.verify.cli",
    "records": f"{OPERATIONS}.records_cli",
    "workflows": "memory.workflows.cli",
}
"""Where each word is at home; a module is imported only where its words are needed."""


def parser(word: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of every command, or of those that live with ``word``.

    Each names the function that runs it, ``command``.
    """
    top = argparse.ArgumentParser(prog="python -m memory", description=__doc__)
    rooms = top.add_subparsers(dest="room", required=True)
    homes = [DOORS[word]] if word in DOORS else dict.fromkeys(DOORS.values())
    for home in homes:
        import_module(home).add_to(rooms)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run it."""
    words = sys.argv[1:] if arguments is None else arguments
    given = parser(words[0] if words else None).parse_args(words)
    return int(given.command(given))


if __name__ == "__main__":
    sys.exit(main())
