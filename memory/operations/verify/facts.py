"""One fact a line: what was found, what is wanted, whether they agree.

Each function looks at one thing and yields what it saw; none of them changes anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from memory.encryption.cipher import FieldCipher
from memory.encryption.document import Document
from memory.encryption.fields import SENSITIVE, Policy
from memory.operations.records import Chain, unfinished, verify
from memory.operations.retention.deletion import Ending, server_time
from memory.operations.retention.policy import Policy as Retention
from memory.operations.rotate_field_keys.proof import Proof, prove
from memory.operations.rotate_field_keys.target import Target
from memory.operations.tenants import Place
from memory.schema.connection import Session
from memory.schema.events import Report, silent
from memory.schema.verify import Check

OVERDUE = timedelta(days=2)
"""A daily job that failed once is no breach of the policy."""
KEY_DAYS = 100
"""A quarter, and the days in which a job that failed is started again."""
CLEAR = "SELECT count(*), count(*) FILTER (WHERE {open}) FROM {table}"
# A value under such a name is in the clear unless it is a text with our prefix.
ELSEWHERE = """
SELECT count(*) FROM {table} WHERE metadata @? %(path)s::jsonpath
"""
PREFIXED = '@.type() == "string" && @ starts with "engram:v1:"'


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found, and the figures that the books keep of it."""

    checks: tuple[Check, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)


def chain_facts(session: Session) -> Facts:
    """That no entry of the book was changed, and that nothing was left half done."""
    chain = verify(session)
    open_entries = unfinished(session)
    erasures = [one.position for one in open_entries if one.operation == "forget"]
    return Facts(
        checks=(
            Check(
                name="records of operations",
                ok=chain.ok,
                found=_told(chain),
                wanted="every entry as it was written",
            ),
            Check(
                name="erasures",
                ok=not erasures,
                found=f"begun and not over: entries {', '.join(map(str, erasures))}; give the same"
                " command again"
                if erasures
                else "none is half done",
                wanted="none is half done",
            ),
        ),
        figures={"records": chain.rows, "head": chain.head},
    )


def encryption_facts(  # noqa: PLR0913 - what is looked at, with what, and when
    session: Session,
    place: Place,
    cipher: FieldCipher,
    policy: Policy,
    *,
    rotating: bool,
    report: Report = silent,
) -> Facts:
    """That everything sensitive is encrypted, under one key, and can be decrypted."""
    proof = prove(session, cipher, place.table, policy, report)
    return Facts(
        checks=(
            _coverage(place, proof.in_the_clear, proof.coverage),
            Check(
                name=f"decryption in {place}",
                ok=not proof.faulty,
                found=f"{proof.fields} fields of {proof.encrypted} rows were decrypted"
                if not proof.faulty
                else f"{proof.faulty} rows cannot be read, such as {proof.named[0]}: {proof.why}",
                wanted="every field can be decrypted",
            ),
            _one_key(place, proof, rotating=rotating),
            _elsewhere(session, place),
        ),
        figures=proof.as_data(),
    )


def clear_facts(session: Session, place: Place, policy: Policy) -> Facts:
    """Where encryption is off: that nothing sensitive is there all the same."""
    target = Target(key_id="", policy=policy)
    query = CLEAR.format(open=target.in_the_clear, table=place.table)
    row = session.execute(query.encode(), target.parameters()).fetchone()
    rows, clear = (int(row[0]), int(row[1])) if row else (0, 0)
    return Facts(
        checks=(
            _coverage(place, clear, 0.0 if clear else 1.0),
            _elsewhere(session, place),
        ),
        figures={"rows": rows, "rows_in_the_clear": clear, "coverage": 0.0 if clear else 1.0},
    )


def key_facts(document: Document, now: datetime, most_days: int = KEY_DAYS) -> Facts:
    """That the keys are renewed in time."""
    checks = []
    for purpose in ("fields", "blind"):
        key = document.primary(purpose)
        age = (now - (key.promoted_at or key.created_at)).days if key else None
        late = age is not None and age > most_days and purpose == "fields"
        checks.append(
            Check(
                name=f"key of {purpose}",
                ok=key is not None and not late,
                found=f"{key.id}, primary for {age} days" if key else "none",
                wanted=f"at most {most_days} days, by rotate-field-keys",
            )
        )
    return Facts(checks=tuple(checks))


def retention_facts(session: Session, place: Place, policy: Retention) -> Facts:
    """That what is over has ended."""
    if not policy.rules:
        found = "no rule is set: everything is kept"
        return Facts(
            checks=(Check(name=f"retention in {place}", ok=True, found=found, wanted="-"),)
        )
    ending = Ending(
        session=session,
        place=place,
        policy=policy,
        now=server_time(session) - OVERDUE,
        report=silent,
    )
    due = ending.due()
    return Facts(
        checks=(
            Check(
                name=f"retention in {place}",
                ok=not due.rows,
                found=f"{due.rows} of {due.of} memories are over for more than {OVERDUE.days} days",
                wanted="none, by retention",
            ),
        ),
        figures={"overdue": due.rows},
    )


def joined(parts: Sequence[Facts]) -> tuple[Check, ...]:
    """All checks in their order."""
    return tuple(check for part in parts for check in part.checks)


def _told(chain: Chain) -> str:
    if chain.ok:
        return f"{chain.rows} entries, the last of them {chain.head[:12]}…"
    return f"entry {chain.broken}: {chain.why}"


def _coverage(place: Place, clear: int, coverage: float) -> Check:
    return Check(
        name=f"encryption in {place}",
        ok=not clear,
        found=f"{clear} rows hold something sensitive in the clear, coverage {coverage:.1%}"
        if clear
        else "coverage 100%",
        wanted="coverage 100%, by rotate-field-keys",
    )


def _one_key(place: Place, proof: Proof, *, rotating: bool) -> Check:
    older = ", ".join(f"{count} under {key}" for key, count in proof.by_key.items())
    found = older or "nothing is encrypted"
    if proof.left and rotating:
        found += "; a rotation is under way"
    return Check(
        name=f"keys in {place}",
        ok=not proof.left or rotating,
        found=found,
        wanted="all under the primary key, by rotate-field-keys",
    )


def _elsewhere(session: Session, place: Place) -> Check:
    """Look for the mission's names at places that nobody configured."""
    found = {word: _count(session, place, word) for word in SENSITIVE}
    told = ", ".join(f"{word} in {count} rows" for word, count in found.items() if count)
    return Check(
        name=f"names of sensitive fields in {place}",
        ok=not told,
        found=f"in the clear: {told}" if told else "none in the clear, at any depth",
        wanted="encrypted: add their paths to ENGRAM_ENCRYPTED_FIELDS",
    )


def _count(session: Session, place: Place, word: str) -> int:
    path = f'$.**."{word}" ? (!({PREFIXED}))'
    row = session.execute(ELSEWHERE.format(table=place.table).encode(), {"path": path}).fetchone()
    return int(row[0]) if row else 0


def text(checks: Sequence[Check]) -> Iterator[str]:
    """Lines for a terminal."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        wanted = "" if check.ok else f"; wanted {check.wanted}"
        yield f"  {'ok ' if check.ok else 'NO '} {check.name:<{width}}  {check.found}{wanted}"
