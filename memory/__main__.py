"""``python -m memory``: the door to the data plane."""

import argparse
import sys

from memory.schema import cli


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run it."""
    parser = argparse.ArgumentParser(prog="python -m memory", description=__doc__)
    cli.add_to(parser.add_subparsers(dest="room", required=True))
    return cli.run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
