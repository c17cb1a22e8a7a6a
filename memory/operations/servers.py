"""What the commands ask for that act on a server on Azure, and what they refuse to do to it."""

import argparse
from datetime import UTC, datetime

from memory.operations.azure import FlexibleServer
from memory.operations.errors import Decision, OperationError
from memory.operations.vault_key import VaultKey

HARMLESS = ("dev", "test", "uat")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add ``--server``."""
    parser.add_argument("--server", required=True, metavar="ID", help="the server's ARM id")


def add_poll_seconds(parser: argparse.ArgumentParser) -> None:
    """Add ``--poll-seconds``."""
    parser.add_argument(
        "--poll-seconds", type=float, default=15.0, help="between two looks; default: %(default)g"
    )


def add_even_in_prod(parser: argparse.ArgumentParser) -> None:
    """Add the flag without which a server that people may rely on is left alone."""
    parser.add_argument(
        "--even-in-prod",
        action="store_true",
        help=f"for a server whose tag environment is none of {', '.join(HARMLESS)}",
    )


def refuse_prod(server: FlexibleServer, arguments: argparse.Namespace) -> None:
    """Raise Decision unless nobody relies on the server, or it is agreed."""
    environment = server.tags.get("environment")
    if environment not in HARMLESS and not arguments.even_in_prod:
        raise Decision(
            f"{server.name} is tagged environment={environment or 'nothing'}: this may take its"
            " data from everybody for up to two hours. If that is agreed: --even-in-prod"
        )


def key_of(server: FlexibleServer) -> VaultKey:
    """The key that a customer can take away.  Raises OperationError."""
    if server.key_uri is None:
        raise OperationError(
            f"{server.name} is encrypted with Microsoft's key: there is nothing to revoke or to"
            " rotate; the mode is fixed when a server is made"
        )
    return VaultKey(server.key_uri)


def second(moment: datetime) -> str:
    """A time in UTC to the second, for a reader."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
