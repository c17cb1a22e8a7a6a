"""What a postmaster says of itself, in the lock file of its data folder."""

from pathlib import Path

from local.process import command_of, is_alive

STATUS_LINE = 7


def postmaster_lives(data: Path) -> bool:
    """Tell whether the noted process is there, and no stranger who got its number."""
    noted = _lines(data)
    return (
        bool(noted) and is_alive(int(noted[0])) and command_of(int(noted[0])) in {"postgres", None}
    )


def status_in(data: Path) -> str:
    """Return the process' own word, e.g. ``standby`` or ``ready``; "" when it is gone."""
    noted = _lines(data)
    return noted[STATUS_LINE].strip() if len(noted) > STATUS_LINE else ""


def _lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
