"""Whether a second ``apply`` goes on with the resize that was stopped, and what is left of it.

What was frozen when it began stays so: the target, the point in time, the file, the engine.
Whatever is said anew and differs is refused, and never overheard.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.resizing.errors import ResizeError
from tools.resizing.journal import Journal

RESTORE = "postgres.restore_from"
POINT = "point_in_time"


def refuse_another(left: Journal, asked: Mapping[str, Any]) -> None:
    """Raise ``ResizeError`` where another target is asked for, or another point in time."""
    said = {name: value for name, value in asked.items() if value is not None}
    began = {name: value for name, value in left.asked.items() if value is not None}
    when = said.pop(POINT, None)
    began.pop(POINT, None)
    if said and said != began:
        raise ResizeError(
            f"another resize was stopped after {left.done} of {len(left.stages)} stages: {began};"
            " finish it with `apply` and no target, or forget it with --abandon"
        )
    frozen = frozen_time(left)
    another = when is not None and when != frozen
    # The same words meant another «now» then: hours may have been written since.
    again = when is None and bool(said) and restores(left)
    if another or again:
        raise ResizeError(
            f"--point-in-time: found {when or 'now'}, and the resize that was stopped restores"
            f" {'nothing' if frozen is None else f'the backup of {frozen}'}; go on with it by"
            " `apply` without a target, or take another time after --abandon"
        )


def refuse_elsewhere(left: Journal, given: Mapping[str, str | None]) -> None:
    """Raise ``ResizeError`` where file, engine or outputs are said and are not what they were."""
    for name, value in given.items():
        began = getattr(left, name)
        if value not in (None, began):
            raise ResizeError(
                f"--{name}: found {value}, and the resize that was stopped began with {began};"
                f" leave --{name} out to go on with that, or forget it with --abandon"
            )


def frozen_time(left: Journal) -> str | None:
    """Return the point in time of its restore; None without one."""
    times = (stage.changes[RESTORE][POINT] for stage in left.stages if RESTORE in stage.changes)
    return next(times, None)


def restores(left: Journal) -> bool:
    """Whether the new server has still to be made, as far as is known."""
    made = (stage.changes[RESTORE] for stage in left.left if RESTORE in stage.changes)
    return any(not restore["finished"] for restore in made)


def abandoned(left: Journal, settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stays in the stack file though it was only to be on the way."""
    done, all_ = left.done, len(left.stages)
    yield f"abandoned after {done} of {all_} stages; {left.file} stays as it is, and the next up"
    yield "deploys that:"
    wanted = {path: value for stage in left.left for path, value in stage.changes.items()}
    for path, value in wanted.items():
        present = _at(settings, path)
        yield (
            f"  {path}: {present}, as was wanted"
            if present == value
            else f"  {path}: {present} stays, and was to become {value}"
        )
    if RESTORE in wanted:
        yield f"Before another restore take {RESTORE} back and bring the stack up, which deletes"
        yield "what was begun: docs/runbooks/undersized-server.md"


def _at(settings: Any, path: str) -> Any:
    for key in path.split("."):
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings
