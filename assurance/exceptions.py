"""What a judge finds and we keep: each with a reason, an owner and a day on which it ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, Protocol

import yaml

from assurance.errors import AssuranceError


class Found(Protocol):
    """What any judge says of anything."""

    @property
    def check(self) -> str:
        """The rule's name."""

    @property
    def resource(self) -> str:
        """Whom it is about, its stack first."""

    @property
    def says(self) -> str:
        """What is wrong."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A finding that is kept for now."""

    check: str
    resource: str
    """With ``*`` and ``?``."""
    reason: str
    owner: str
    expires: date
    says: tuple[str, ...] = ("*",)
    """What is kept of what the check says, any of these, with ``*`` and ``?``; all, if not told."""

    def __str__(self) -> str:
        """Return what tells it apart."""
        return f"{self.check} of {self.resource}"

    def covers(self, check: str, resource: str, says: str) -> bool:
        """Return whether it is about this finding."""
        if check != self.check or not fnmatchcase(resource, self.resource):
            return False
        return any(fnmatchcase(says, it) for it in self.says)


def load(text: str) -> tuple[Kept, ...]:
    """Read a list; raise ``AssuranceError`` for an entry that leaves something out."""
    return tuple(_kept(entry) for entry in yaml.safe_load(text) or ())


def faults(findings: Iterable[Found], kept: Sequence[Kept], today: date) -> list[str]:
    """Return, one line each, what is found and not kept, and what is kept and should not be."""
    found = list(findings)
    valid = [entry for entry in kept if today < entry.expires]
    return [
        *(expired(entry) for entry in kept if entry not in valid),
        *(unused(entry) for entry in kept
          if not any(_covers(entry, finding) for finding in found)),
        *(f"{finding.check} of {finding.resource}: {finding.says}" for finding in found
          if not any(_covers(entry, finding) for entry in valid)),
    ]  # fmt: skip


def _covers(entry: Kept, finding: Found) -> bool:
    return entry.covers(finding.check, finding.resource, finding.says)


def expired(entry: Kept) -> str:
    """Say that an entry's day has come."""
    return f"{entry}: expired on {entry.expires}; repair it or give it a new day"


def unused(entry: Kept) -> str:
    """Say that nothing is found any more that an entry is about."""
    return f"{entry}: nothing needs it any more; remove it"


def _kept(entry: dict[str, Any]) -> Kept:
    wanted = {field.name for field in fields(Kept)} - {"says"}
    empty = {key for key in (*wanted, *entry) if not entry.get(key)}
    if empty or set(entry) - {"says"} != wanted:
        raise AssuranceError(
            f"exceptions: {entry} must say {', '.join(sorted(wanted))}, all of them and no more"
            " but, of one part of what a check says, says"
        )
    if not isinstance(entry["expires"], date):
        raise AssuranceError(f"exceptions: expires is {entry['expires']!r}; write 2027-05-31")
    says = entry.get("says", ["*"])
    if not isinstance(says, list) or not all(isinstance(it, str) for it in says):
        raise AssuranceError(f"exceptions: says is {says!r}; write a list of patterns")
    return Kept(**{**entry, "says": tuple(says)})
