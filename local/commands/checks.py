"""What a check of the live stack says, and how those who make checks are asked."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    wanted: str


def ask(
    *words: str, given: Mapping[str, Any], environment: Mapping[str, str], subject: str
) -> tuple[Check, ...]:
    """Return what ``python -m <words>`` found, which reads ``given`` from its input, as JSON.

    Without an answer, that is the check of the ``subject``, and it fails.
    """
    answer = subprocess.run(
        [sys.executable, "-m", *words],
        input=json.dumps(given),
        env=os.environ | dict(environment),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        return tuple(Check(**check) for check in json.loads(answer.stdout)["checks"])
    except (ValueError, KeyError):
        found = (answer.stderr or answer.stdout).strip() or "no answer"
        return (Check(name=subject, ok=False, found=found, wanted="an answer"),)
