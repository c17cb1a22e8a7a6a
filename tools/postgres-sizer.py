# noqa: N999 - the deployment strategy's name for it
"""``python tools/postgres-sizer.py``: the server that a stated load needs, and its price."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # it is run as a script

from sizing.cli import main
from tools.sizer_stack import StackFiles

if __name__ == "__main__":
    sys.exit(main(None, StackFiles()))
