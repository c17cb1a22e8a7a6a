"""Stop everything, then remove all generated files; the shared cache of tools stays."""

import argparse
import shutil

from local.commands import down
from local.commands.session import Session


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 once the folders are gone, the Python environment included.

    Where something does not stop, they stay: it could never be found again.
    """
    folders = (session.paths.services, session.paths.local)
    with session.alone_everywhere():
        down.stop(session.paths)
        for folder in folders:
            if folder.exists():
                shutil.rmtree(folder)
    if session.as_json:
        session.answer({"removed": [str(folder) for folder in folders]})
    return 0
