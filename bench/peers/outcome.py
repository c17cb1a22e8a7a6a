"""The few words for how a run can end, and which of them a person may rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bench.peers.child import Ended
from bench.peers.judge import Seen
from bench.peers.wanted import Wanted

DETAIL_CHARACTERS = 200


class Verdict(Enum):
    """How a run ended: what the tool said by its exit code, beside what the judge found."""

    RIGHT = "right"
    REFUSES = "refuses"
    HALF_WAY = "half-way"
    FALSE_ALARM = "false alarm"
    SILENT = "silently wrong"
    COSTLY = "at others' cost"
    HANGS = "hangs"


MEANING = {
    Verdict.RIGHT: "all is as wanted, and the exit code is 0",
    Verdict.REFUSES: "the exit code is not 0, something is said, and nothing was changed",
    Verdict.HALF_WAY: "the exit code is not 0, and what is there is neither the old nor the wanted",
    Verdict.FALSE_ALARM: "all is as wanted, and yet an exit code is not 0",
    Verdict.SILENT: "the exit code is 0, and what is there is not what is wanted",
    Verdict.COSTLY: "all is as wanted, but others had to wait, lost an index or got its settings",
    Verdict.HANGS: "still running at the time limit, and ended by us",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one tool came out of one scenario."""

    verdict: Verdict
    detail: str = ""
    """What makes it so: a fault, the tool's own words, whom it waited for."""
    counts: bool | None = None
    """Whether it ends right; none follows the verdict."""

    @property
    def right(self) -> bool:
        """Whether a person who knows nothing of databases may go home."""
        return self.verdict is Verdict.RIGHT if self.counts is None else self.counts

    def __str__(self) -> str:
        """One cell of the table."""
        mark = "✓" if self.right else "✗"
        return f"{mark} {self.verdict.value}" + (f": {self.detail}" if self.detail else "")


def outcome(runs: Sequence[Ended], before: Seen, after: Seen, wanted: Wanted) -> Outcome:
    """Compare what was said, run for run, with what is there."""
    stuck = next((run for run in runs if run.exit_code is None), None)
    faults = after.faults(wanted)
    said = next((run.last_words for run in runs if run.exit_code), "")
    if stuck:
        return Outcome(verdict=Verdict.HANGS, detail=shortened(stuck.waited_for))
    if not faults:
        verdict = Verdict.FALSE_ALARM if said else Verdict.RIGHT
        return Outcome(verdict=verdict, detail=shortened(said))
    if not said:
        return Outcome(verdict=Verdict.SILENT, detail=shortened("; ".join(faults)))
    if before == after:
        return Outcome(verdict=Verdict.REFUSES, detail=shortened(said))
    return Outcome(verdict=Verdict.HALF_WAY, detail=shortened(f"{'; '.join(faults)} ({said})"))


def shortened(text: str) -> str:
    """Return one line that fits a cell."""
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_CHARACTERS else f"{line[: DETAIL_CHARACTERS - 1]}…"
