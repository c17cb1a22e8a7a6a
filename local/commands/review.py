"""Render what the working tree would do to every environment, against a base.

The base is brought up on a local cloud of its own, stack after stack, and the working tree is
previewed there: neither production nor a secret of it is needed, and the clone's own stacks are not
touched. Ends with 1 where something stands in the way.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from local.commands.session import STACKS, Session
from local.errors import LocalError
from local.review import scratch, sources
from local.review.record import FAILURE, record
from local.review.scratch import Base

PAGES = ("comment.md", "comment.html", "report.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this command has."""
    parser.add_argument("--base", help="the branch, tag or commit to compare with")
    parser.add_argument("--only", nargs="+", choices=STACKS, default=STACKS, help="default: all")
    parser.add_argument("--out", type=Path, help="folder of the pages; default: .local/review")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="LABEL", help="of the pull request"
    )
    parser.add_argument("--prices", help="file of `python -m sizing prices`")
    parser.add_argument("--currency", help="of the prices")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Return 0 where nothing stands in the way of the pull request."""
    if arguments.into:  # the child of ``compare``: one stack, in the cloud of the comparison
        record(session, arguments.into)
        return 0
    if not arguments.base:
        raise LocalError("there is nothing to compare with; say `make review BASE=main`")
    out = (arguments.out or session.paths.local / "review").absolute()
    out.mkdir(parents=True, exist_ok=True)
    pages = {name: out / name for name in PAGES}
    for page in pages.values():
        page.unlink(missing_ok=True)
    collect(session, arguments.base, arguments.only, out)
    code = render(session, arguments, out)
    if session.as_json:
        session.answer({"ok": code == 0, **{name: str(page) for name, page in pages.items()}})
    else:
        words = "nothing stands in the way" if code == 0 else "something stands in the way"
        session.console.print(f"{words}; see {pages['comment.html']}", markup=False)
    return code


def collect(session: Session, ref: str, stacks: list[str], out: Path) -> None:
    """Write into ``out`` what the comment is made of."""
    project = session.paths.project
    commit = sources.common_base(project, ref)
    files = sources.changed_files(project, commit)
    compared = [stack for stack in stacks if sources.engine_needed(files)]
    request = {
        "base": ref,
        "base_commit": commit,
        "files": files,
        "stacks": compared,
        "on": datetime.now(UTC).date().isoformat(),
    }
    (out / "request.json").write_text(json.dumps(request, indent=1), encoding="utf-8")
    if not compared:
        return
    with scratch.unpacked(project, commit) as base:
        for stack in compared:
            started = time.monotonic()
            session.console.print(f"{stack}: bringing up the base, then previewing ...")
            compare(project, base, stack, out / stack)
            seconds = time.monotonic() - started
            session.console.print(f"{stack}: compared in {seconds:.0f} s")


def compare(project: Path, base: Base, stack: str, folder: Path) -> None:
    """Write what the project would do to one stack of the base."""
    with scratch.cloud(project) as cloud:
        failure = bring_up(base, stack, cloud)
        preview(project, stack, cloud, folder, failure)


def bring_up(base: Base, stack: str, cloud: Path) -> str:
    """Make a stack of the base stand; return why it does not, or nothing."""
    if not base.has(stack):
        return ""  # it comes with the pull request
    answer = scratch.run(base.python, base.folder, cloud, "up", "--stack", stack)
    if answer.returncode and not stands(cloud, stack):
        return f"the base cannot be brought up:\n{scratch.said(answer)}"
    return ""


def preview(project: Path, stack: str, cloud: Path, folder: Path, failure: str = "") -> None:
    """Write what a project would do to the stack that stands in a cloud."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():  # of an earlier comparison
        file.unlink()
    if not failure:
        words = ("review", "--stack", stack, "--into", str(folder))
        answer = scratch.run(Path(sys.executable), project, cloud, *words)
        failure = scratch.said(answer) if answer.returncode else ""
    if failure:
        (folder / FAILURE).write_text(failure, encoding="utf-8")


def stands(cloud: Path, stack: str) -> bool:
    """Tell whether the run got to its end: a check that fails afterwards is not about a preview."""
    files = list((cloud / "state").glob(f".pulumi/history/*/{stack}/*.history.json"))
    return any('"result": "succeeded"' in file.read_text(encoding="utf-8") for file in files)


def render(session: Session, arguments: argparse.Namespace, out: Path) -> int:
    """Let ``assurance`` write the pages; return 1 where it found something in the way."""
    command = [sys.executable, "-m", "assurance", "review", "render", str(out)]
    # One word each: a label may begin like an option.
    command += [f"--allow={label}" for label in arguments.allow]
    if arguments.prices:
        command += ["--prices", str(Path(arguments.prices).absolute())]
    if arguments.currency:
        command += ["--currency", arguments.currency]
    answer = subprocess.run(
        command, cwd=session.paths.project, env=dict(os.environ), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if answer.returncode not in (0, 1) or not (out / PAGES[-1]).exists():
        raise LocalError(f"the comment cannot be written:\n{answer.stderr.strip()}")
    return answer.returncode
