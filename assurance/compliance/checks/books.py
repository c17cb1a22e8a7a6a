"""What the data plane's own books say, recomputed: encryption, rotations, retention, erasures."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from assurance.compliance.checks.database import at_server
from assurance.compliance.checks.model import Seen, seen
from assurance.compliance.truths import Facts, Truths
from assurance.policies.kubernetes import WORKLOADS, containers
from assurance.policies.model import Stack

FIELDS, RETENTION = "ENGRAM_ENCRYPTED_FIELDS", "ENGRAM_RETENTION_"
QUARTER = timedelta(days=100)
"""With the days in which a job that failed is started again."""
DAILY = timedelta(days=2)
ROTATION = "rotate-field-keys"
BLIND = (
    "this login may not see the books of the memory: name one that may by ENGRAM_EVIDENCE_LOGIN"
    " and ENGRAM_EVIDENCE_PASSWORD_FILE, such as memory_reader, or the owner where tenants are"
    " kept apart by row"
)


def variables(stack: Stack, prefix: str) -> dict[str, str]:
    """Return what pods are told by variables of this prefix."""
    return {
        entry["name"]: str(entry.get("value", ""))
        for resource in stack.resources
        if resource.type in WORKLOADS
        for container in containers(resource)
        for entry in container.given.get("env") or ()
        if str(entry.get("name")).startswith(prefix)
    }


def fields(stack: Stack) -> tuple[str, ...] | None:
    """Return which fields the program has encrypted; None where it has none of it."""
    listed = variables(stack, FIELDS).get(FIELDS)
    if listed is None:
        return None
    return tuple(word.strip() for word in listed.split(",") if word.strip())


def _books(truths: Truths) -> Iterator[tuple[str, Facts]]:
    """Yield each schema that has books, with what they say."""
    for schema in (truths.database or {}).get("schemas", ()):
        if schema.get("books"):
            yield f"{schema['database']}/{schema['schema']}", schema["books"]


def _each(truths: Truths, part: str) -> list[tuple[str, Any]] | Seen:
    """Return one part of every schema's books, or why it cannot be told."""
    found = [(name, books[part]) for name, books in _books(truths)]
    if not found:
        return Seen("", unknown="no schema of ours has books: is it brought up to date?")
    if any(facts is None for _, facts in found):
        return Seen("", unknown=BLIND)
    return found


def _encryption(truths: Truths, _at: datetime) -> Seen:
    found = _each(truths, "memories")
    if isinstance(found, Seen):
        return found
    sensitive = sum(facts["sensitive"] for _, facts in found)
    keys = sorted({key for _, facts in found for key in facts["by_key"]})
    if fields(truths.declared) is None:
        words = "field encryption is off; no memory has a field that would need it"
    else:
        words = (
            f"coverage 100%: {sensitive} memories with sensitive fields, all encrypted, under "
            f"{', '.join(keys) or 'no key yet'}"
        )
    return seen(
        words,
        (
            f"{name}: {facts['clear']} of {facts['sensitive']} memories with sensitive fields hold"
            " one in the clear"
            for name, facts in found
            if facts["clear"]
        ),
    )


def _chain(truths: Truths, _at: datetime) -> Seen:
    found = _each(truths, "chain")
    if isinstance(found, Seen):
        return found
    words = ", ".join(f"{name}: {facts['entries']} entries" for name, facts in found)
    return seen(
        f"{words}; every digest was computed again",
        (
            f"{name}: entry {facts['broken']} is not what was written, or not where"
            for name, facts in found
            if facts["broken"] is not None
        ),
    )


def _done(truths: Truths, operation: str) -> list[Facts] | Seen:
    """Return every run of an operation, the oldest first."""
    found = _each(truths, "operations")
    if isinstance(found, Seen):
        return found
    runs = [run for _, listed in found for run in listed if run["operation"] == operation]
    return sorted(runs, key=lambda run: str(run["begun"]))


def _rotations(truths: Truths, at: datetime) -> Seen:
    runs = _done(truths, ROTATION)
    if isinstance(runs, Seen):
        return runs
    if fields(truths.declared) is None:
        return Seen("", unknown="field encryption is off: no key to rotate")
    done = [run for run in runs if run["state"] == "done" and run["order"] != "purge"]
    if not done:
        return Seen("", unknown="no field key was made or rotated yet")
    last, proven = _time(done[-1]), [run for run in done if run["proof"]]
    return seen(
        f"{len(proven)} rotations, each proven; the last key is of {last:%Y-%m-%d}",
        (
            *(f"entry {run['position']}: {_failed(run)}" for run in runs if _failed(run, last)),
            *((f"the last of {last:%Y-%m-%d} is older than a quarter",)
              if at - last > QUARTER else ()),
        ),
    )  # fmt: skip


def _failed(run: Facts, last: datetime | None = None) -> str:
    """Return what went wrong with a run, and was not made good by a later one."""
    if run["proof"] and not run["proof"]["ok"]:
        return "its own proof failed"
    if run["state"] == "done" or (last and datetime.fromisoformat(str(run["begun"])) < last):
        return ""
    return f"begun and {run['state'] or 'not over'}"


def _time(run: Facts) -> datetime:
    return datetime.fromisoformat(str(run["ended"]))


def _retention(truths: Truths, at: datetime) -> Seen:
    if not variables(truths.declared, RETENTION):
        return Seen("", unknown="the stack's settings end no memory: everything is kept")
    runs = _done(truths, "retention")
    if isinstance(runs, Seen):
        return runs
    done = [run for run in runs if run["state"] == "done"]
    if not done and not runs:
        return Seen("", unknown="the job has not run yet")
    late = not done or at - _time(done[-1]) > DAILY
    return seen(
        f"{len(done)} runs, the last of {_time(done[-1]):%Y-%m-%d}" if done else "",
        ("the last that succeeded is older than two days, and the job runs daily",) if late else (),
    )


def _erasures(truths: Truths, _at: datetime) -> Seen:
    runs = _done(truths, "forget")
    if isinstance(runs, Seen):
        return runs
    open_ones = [str(run["position"]) for run in runs if run["state"] is None]
    return seen(
        f"{len(runs)} erasures, each with its certificate" if runs else "none was asked for yet",
        (f"begun and not over: entries {', '.join(open_ones)}",) if open_ones else (),
    )


def _audited(truths: Truths, _at: datetime) -> Seen:
    found, memories = _each(truths, "audit"), _each(truths, "memories")
    if isinstance(found, Seen):
        return found
    kept = 0 if isinstance(memories, Seen) else sum(facts["rows"] for _, facts in memories)
    entries = sum(facts["entries"] for _, facts in found)
    if not kept and not entries:
        return Seen("", unknown="nothing was remembered yet")
    return seen(
        f"{entries} operations on memories, the last of "
        f"{max(str(facts['last']) for _, facts in found)[:10]}",
        (f"there are {kept} memories, and no entry of who made them",) if not entries else (),
    )


REPAIR = "docs/runbooks/erasure.md"
BOOKS = (
    at_server("sql-field-encryption", "Fields with personal data are encrypted one by one",
              "python -m memory rotate-field-keys --yes; docs/field-encryption.md", _encryption),
    at_server("sql-field-key-rotations", "Field keys are rotated each quarter, and each is proven",
              "docs/runbooks/rotating-field-keys.md", _rotations),
    at_server("sql-operations-sealed", "The book of operations is as it was written",
              "restore the entries from a backup, and find out who had the owner's rights", _chain),
    at_server("sql-retention", "Memories end when the policy says so",
              "docs/runbooks/retention.md", _retention),
    at_server("sql-erasures", "No erasure is half done", REPAIR, _erasures),
    at_server("sql-memory-audit", "Who did what with which memories is written down",
              "docs/memory-service.md", _audited),
)  # fmt: skip
