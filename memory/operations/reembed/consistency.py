"""Do the ledger and the catalog tell the same story, and is the goal one for this table?"""

from memory.operations.reembed import ddl
from memory.operations.reembed.errors import GoalRefused, NotInThisPhase
from memory.operations.reembed.found import Found
from memory.operations.reembed.goal import Goal
from memory.operations.reembed.ledger import Entry
from memory.schema import sql


def agree(found: Found, entry: Entry | None) -> None:
    """Raise NotInThisPhase where the catalog shows what the ledger does not know of."""
    subject = found.subject
    if entry is None and found.stage != "untouched":
        column = subject.previous if found.stage == "swapped" else subject.next
        raise NotInThisPhase(
            f"{subject.relation} has a column {column} that no re-embedding in {subject.ledger}"
            " knows: whoever made it has to drop it, or rename it"
        )
    if entry is None or found.stage == "untouched":
        return
    if (entry.phase == "swapped") != (found.stage == "swapped"):
        raise NotInThisPhase(
            f"{subject.ledger} says «{entry.phase}», and the columns of {subject.relation} are"
            f" {found.stage}: somebody changed one of them by hand and has to put it back"
        )
    derived = subject.previous if found.stage == "swapped" else subject.next
    type_now = found.column_type(subject.column if found.stage == "swapped" else subject.next)
    if type_now != entry.goal.to:
        raise NotInThisPhase(
            f"the new column is {type_now} and not {entry.goal.to}: somebody changed it by hand;"
            " --abort drops it"
        )
    computes = ddl.back_type(found, entry.goal) if derived == subject.previous else None
    if not ddl.guards_rightly(found, derived, computes or ddl.cast_type(entry.goal)):
        raise NotInThisPhase(
            f"trigger {subject.guard_of(derived)} is missing, disabled or changed, so values of"
            f" {derived} may be stale; --abort gives them up, and then begin again"
        )


def refuse_nonsense(found: Found, goal: Goal, *, leave_indexes: bool = False) -> None:
    """Raise GoalRefused, before anything is paid, where the goal does not fit the table as it is.

    ``leave_indexes`` is the consent to lose those that no re-embedding builds.
    """
    subject, now = found.subject, found.column_type(found.subject.column) or ""
    kind, _, size = now.partition("(")
    if kind not in {"vector", "halfvec"}:
        raise GoalRefused(f"{subject.column} is {now}; only vector and halfvec are re-embedded")
    if goal.source == "cast" and (size != f"{goal.dimensions})" or kind == goal.kind):
        raise GoalRefused(
            f"--cast goes between vector and halfvec of the same length; {subject.column} is {now},"
            f" wanted {goal.to}: another length needs a model"
        )
    content = found.column_type(subject.content) or ""
    if goal.source == "model" and not content.startswith(("text", "character varying")):
        raise GoalRefused(f"{subject.content} is no text, of which a model could make a vector")
    refuse_obstacles(found)
    if found.other_indexes and not leave_indexes:
        raise GoalRefused(
            f"{', '.join(found.other_indexes)} would stay with the old column and go with it: one"
            f" index of all rows by {subject.column} is built for the new one too, and no other."
            " --leave-indexes accepts that; create them again after the swap"
        )


def refuse_obstacles(found: Found) -> None:
    """Raise GoalRefused for what makes rows wrong during the re-embedding or after its swap."""
    subject = found.subject
    column = found.table.columns[subject.column]
    if column.not_null or column.unproven:
        raise GoalRefused(
            f"{subject.column} is NOT NULL, which the old column stays after the swap, and then no"
            f" row can be inserted: ALTER TABLE {subject.relation} ALTER COLUMN"
            f" {sql.name(subject.column)} DROP NOT NULL, and set it again after --contract"
        )
    guard = subject.guard_of(subject.next)
    later = [name for name, t in found.triggers.items() if t.changes_rows and name > guard]
    if strangers := sorted({*later} - {subject.guard_of(subject.previous)}):
        raise GoalRefused(
            f"trigger {', '.join(strangers)} may change a row after {guard}, which keeps vectors"
            " from going stale, has seen it; triggers fire in the order of their names: ALTER"
            f" TRIGGER {sql.name(strangers[0])} ON {subject.relation} RENAME TO"
            f" {sql.name('a_' + strangers[0])}"
        )
