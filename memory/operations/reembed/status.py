"""Where a re-embedding stands, for an operator and for a program.  Changes nothing."""

from dataclasses import asdict, dataclass
from typing import Any

from memory.operations.reembed import ledger
from memory.operations.reembed.alone import holder
from memory.operations.reembed.backfill import described, duration
from memory.operations.reembed.consistency import agree
from memory.operations.reembed.errors import NotInThisPhase
from memory.operations.reembed.found import look
from memory.operations.reembed.goal import Subject
from memory.operations.reembed.ledger import Entry
from memory.schema import sql
from memory.schema.connection import Endpoint
from memory.schema.runner import SESSION, open_direct

NEXT_ORDER = {
    "backfill": "run the re-embedding again: it goes on where it stopped",
    "index": "run the re-embedding again: it goes on with the index",
    "check": "run the re-embedding again, with what the check asked for",
    "ready": "roll the new model out, and give --swap; or --abort",
    "swapped": "give --contract when the old model is not coming back; or --abort to swap back",
    "contracted": "nothing is left to do",
    "aborted": "nothing is left to do",
}


@dataclass(frozen=True, kw_only=True)
class Status:
    """Catalog and ledger side by side."""

    subject: Subject
    type_now: str
    entry: Entry | None
    """The operation under way, or the last one; None where there never was any."""
    running: str | None
    """The process that works on it at this moment."""
    problem: str | None
    """Where ledger and catalog disagree."""

    @property
    def phase(self) -> str:
        """The phase, or that there is none."""
        return self.entry.phase if self.entry else "none"

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        data: dict[str, Any] = {
            "subject": asdict(self.subject),
            "type": self.type_now,
            "phase": self.phase,
            "running": self.running,
            "problem": self.problem,
        }
        if self.entry:
            progress = self.entry.progress
            data |= {
                "goal": self.entry.goal.model_dump(mode="json"),
                "progress": {
                    **asdict(progress),
                    "cost": progress.cost,
                    "seconds_left": progress.seconds_left,
                },
                "started_at": self.entry.started_at.isoformat(),
                "changed_at": self.entry.changed_at.isoformat(),
                "ended_at": self.entry.ended_at.isoformat() if self.entry.ended_at else None,
            }
        return data

    def as_text(self) -> str:
        """Lines for a terminal."""
        lines = [f"{self.subject.relation}.{self.subject.column} is {self.type_now}"]
        if self.entry is None:
            lines.append("  no re-embedding was ever begun")
        else:
            source = self.entry.goal.model or "a cast"
            progress = self.entry.progress
            lines += [
                f"  to {self.entry.goal.to} by {source}: phase {self.phase}",
                f"  {described(progress)}; {duration(progress.seconds)} of work so far",
                f"  {'at work: ' + self.running if self.running else 'nobody works on it now'}",
                f"  next: {self.problem or NEXT_ORDER[self.phase]}",
            ]
        return "\n".join(lines) + "\n"


def status(endpoint: Endpoint, subject: Subject) -> Status:
    """Look.  Raises GoalRefused where there is no such table."""
    with open_direct(endpoint) as session:
        session.execute(SESSION)
        found = look(session, subject)
        running = holder(session, found)
        owner: Any = f"SET ROLE {sql.name(found.place.owner)}"
        session.execute(owner)
        entry = ledger.read(session, subject)
        problem = None
        try:
            agree(found, entry)
        except NotInThisPhase as error:
            problem = str(error)
        if entry is None:
            entry = next(iter(ledger.history(session, subject)), None)
        return Status(
            subject=subject,
            type_now=found.column_type(subject.column) or "",
            entry=entry,
            running=running,
            problem=problem,
        )
