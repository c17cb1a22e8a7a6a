"""Does what was planned, stage by stage; killed, it goes on with the stage that it was in.

The journal is written before the stack file, and the stack file before the engine runs.  Both a
change of the file and an ``up`` may be done twice: the second time nothing is left to do.
"""

import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import stack_file
from tools.resizing import journal as journals
from tools.resizing.errors import ResizeError
from tools.resizing.journal import Journal
from tools.resizing.reach import ROOT
from tools.resizing.stages import Stage

Say = Callable[[str], None]
SIZE = "postgres.storage.size_gib"


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a resize changes, and with what."""

    file: Path
    stack: str
    journal: Path
    engine: Sequence[str]
    """The command that makes the stack what its file says."""
    stdout_is_ours: bool = False
    """The engine's words go to standard error then."""


def refuse_undeployable(site: Site, stages: Sequence[Stage]) -> None:
    """Refuse before anything is written: the program must accept the file after every stage.

    So too before a resize goes on, as the file may have been edited meanwhile.  Raises
    ``ResizeError`` and ``StackFileError``.
    """
    file = stack_file.read(site.file, stack=site.stack)
    for stage in stages:
        _refuse_smaller_disk(site, file, stage)
        file, _ = stack_file.edited(file, stage.changes)
        if mistakes := file.mistakes():
            listed = "\n".join(f"  {mistake}" for mistake in mistakes)
            raise ResizeError(
                f"with «{stage.title}» the program would still refuse {site.file.name}:\n{listed}\n"
                "Correct that first. Where a larger workload is what it refuses, state the former"
                " one until the server has its new size."
            )


def _refuse_smaller_disk(site: Site, file: stack_file.StackFile, stage: Stage) -> None:
    size = stage.changes.get(SIZE)
    storage = file.settings.get("postgres", {}).get("storage", {})
    present = storage.get("size_gib") if isinstance(storage, Mapping) else None
    if isinstance(size, int) and isinstance(present, int) and size < present:
        raise ResizeError(
            f"{site.file.name}: found {SIZE} {present}, and «{stage.title}» would write {size};"
            " a disk never shrinks. Put back what was edited, or forget the resize with --abandon"
        )


def perform(site: Site, journal: Journal, say: Say) -> None:
    """Do all stages that are left, and note each.  Raises ``ResizeError`` where one fails."""
    journals.save(site.journal, journal)
    total = len(journal.stages)
    while journal.left:
        stage = journal.left[0]
        say(f"{journal.done + 1} of {total}: {stage.title} ({stage.takes})")
        for change in stack_file.update(site.file, stage.changes, stack=site.stack):
            say(f"  {site.file.name}: {change}")
            for remark in change.remarks:
                say(f"  {site.file.name}: {remark}")
        _run(site, say)
        journal = journal.after_one()
        journals.save(site.journal, journal)


def _run(site: Site, say: Say) -> None:
    """Run the engine to its end.  At Ctrl-C it ends by itself: it must write its state first."""
    line = shlex.join(site.engine)
    say(f"  {line}")
    stopped = False
    try:
        engine = subprocess.Popen(
            site.engine, stdout=sys.stderr if site.stdout_is_ours else None, cwd=ROOT
        )
    except OSError as error:
        raise ResizeError(f"`{line}`: {error.strerror}; give another with --engine") from None
    while True:
        try:
            code = engine.wait()
            break
        except KeyboardInterrupt:
            stopped = True
            say("stopping; the engine writes down how far it came ...")
    if stopped:
        raise KeyboardInterrupt
    if code:
        raise ResizeError(
            f"`{line}` ended with {code}; its messages say why. Correct the cause and run `apply`"
            " again: it goes on with this stage"
        )
