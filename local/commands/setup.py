"""Build and install the tools that the other commands need.

Nothing is done twice: results are kept by version in the user's cache folder, and
an installed Pulumi CLI that is new enough is used as it is.
"""

import argparse

from local.commands.session import Session
from local.toolchain import installer
from local.toolchain.report import Report


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 once everything is there."""
    engine = installer.ensure(session.paths, Report(session.console))
    if session.as_json:
        session.answer({"engine": str(engine)})
    return 0
