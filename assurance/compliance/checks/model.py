"""What a live check is: a function of the truths, and the words around it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from assurance.compliance.model import Observation, Outcome, Truth
from assurance.compliance.truths import Truths

Source = Literal["database", "cluster", "key_versions", "key_access"]
SUPPLY: dict[Source, str] = {
    "database": "nobody looked: give libpq's PGHOST, PGUSER and PGPASSWORD",
    "cluster": "nobody looked: give KUBECONFIG",
    "key_versions": "not supplied: --key-versions, from `az keyvault key list-versions`",
    "key_access": "not supplied: --key-access, from a query of AZKVAuditLogs",
}


@dataclass(frozen=True)
class Seen:
    """What a check found."""

    found: str
    """What is there, where it is as it should be."""
    faults: tuple[str, ...] = ()
    """What is not; nothing else counts then."""
    unknown: str = ""
    """Why it cannot be told."""


def seen(found: str, faults: Iterable[str] = ()) -> Seen:
    """Return what was found, with the faults in the order in which they were found."""
    return Seen(found, tuple(faults))


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to look at."""

    name: str
    title: str
    """A sentence, true of what is as it should be."""
    truth: Truth
    remedy: str
    look: Callable[[Truths, datetime], Seen]
    source: Source | None = None
    """What it cannot do without; none: the deployment itself."""

    def observe(self, truths: Truths, at: datetime) -> Observation:
        """Look, and say what was seen."""
        if self.source is not None and getattr(truths, self.source) is None:
            what = Seen("", unknown=SUPPLY[self.source])
        else:
            what = self.look(truths, at)
        outcome, words = _judged(what)
        return Observation(
            check=self.name,
            title=self.title,
            truth=self.truth,
            outcome=outcome,
            found=words,
            remedy=self.remedy if outcome is Outcome.FAILS else "",
        )


def _judged(what: Seen) -> tuple[Outcome, str]:
    if what.faults:
        return Outcome.FAILS, "; ".join(what.faults)
    if what.unknown:
        return Outcome.UNASSESSED, what.unknown
    return Outcome.HOLDS, what.found
