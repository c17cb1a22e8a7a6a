"""Print the stack's outputs as JSON, secrets included, and the way to its database.

For programs such as tools/resize.py, through a pipe; a terminal is refused.
"""

import argparse
import sys

from local.commands.database import variables
from local.commands.session import Session
from local.errors import LocalError


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0; changes nothing."""
    if sys.stdout.isatty():
        raise LocalError("the outputs hold passwords; send them through a pipe to what needs them.")
    engine = session.engine()
    outputs = engine.outputs()
    way = variables(session.stack, outputs, engine.extra)
    session.answer({**outputs, "environment": way})
    return 0
