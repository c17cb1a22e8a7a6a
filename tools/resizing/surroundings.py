"""Which file, engine and outputs a command means, where it does not say so."""

import argparse
import shlex
import sys
from pathlib import Path

from tools.resizing import resumption
from tools.resizing.journal import Journal
from tools.resizing.reach import ROOT, words

ENGINE = "pulumi up --stack {stack}"
OUTPUTS = "pulumi stack output --json --show-secrets --stack {stack}"
DEFAULTS = {"engine": ENGINE, "outputs": OUTPUTS}
AT_HOME = {
    "engine": "make up STACK={stack}",
    "outputs": "{python} -m local outputs --json --stack {stack}",
}


def own_file(stack: str) -> Path:
    """Return the stack file that the project's own engine deploys."""
    return (ROOT / f"Pulumi.{stack}.yaml").resolve()


def settle(options: argparse.Namespace, left: Journal | None = None) -> None:
    """Put in what was not said: of the resize that was stopped, or else the defaults.

    Raises ``ResizeError`` where it was said otherwise.
    """
    usual = AT_HOME if getattr(options, "at_home", False) else {}
    given = {"file": str(options.file.resolve()) if options.file else None}
    for name in DEFAULTS:
        said = getattr(options, name, None) or usual.get(name)
        given[name] = said and _command(said, options.stack)
    if left is not None:
        resumption.refuse_elsewhere(left, given)
    default = {name: _command(said, options.stack) for name, said in DEFAULTS.items()}
    default["file"] = str(own_file(options.stack))
    for name, value in given.items():
        began = None if left is None else getattr(left, name)
        setattr(options, name, value or began or default[name])
    options.file = Path(options.file)


def _command(template: str, stack: str) -> str:
    """Return a command line as it will be run."""
    return shlex.join(words(template.replace("{python}", shlex.quote(sys.executable)), stack))
