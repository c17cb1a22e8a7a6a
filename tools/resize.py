"""``python tools/resize.py plan|apply|preflight --stack uat``: a larger server, step by step.

What each step does is in ``tools/resizing``; when to take it, in the runbook undersized-server.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # a script's own folder is all that it gets

from tools.resizing.cli import main

if __name__ == "__main__":
    sys.exit(main())
