"""policy-proof.md: what the policies notice when it is taken away, and what they may overlook."""

from collections.abc import Iterator, Mapping, Sequence

from assurance.mutation.explanations import FILE, Explained, load, without_resources
from assurance.mutation.operators import MEANINGS
from assurance.mutation.proof import Kind, Proof, Trial
from assurance.policies.rules import load as load_rules
from docs.generator.text import Row, document, table
from tests.assurance.proved import proof


def page() -> str:
    """Return the whole page."""
    proved, explained = proof(), load(FILE.read_text(encoding="utf-8"))
    blocks = [
        "The resources of all four stacks are changed, one property of one resource at a time:"
        " wherever a rule looks, what stands there is removed or weakened, blindly, by the kind of"
        " value. Then the rules judge again. A change is noticed where a rule accuses a resource"
        " that it did not accuse before, exceptions not heard.",
        f"**{proved.summary}** Every kind of change that goes unnoticed is explained below, or"
        " fails the tests; so does a rule that notices nothing.",
        "`python -m assurance mutate FILE` does the same to what `pulumi stack export` wrote.",
        "## Changes",
        table(("change", "what it does"), sorted((f"`{c}`", m) for c, m in MEANINGS.items())),
        "## Who notices what",
        table(("rule", "noticed", "of asked"), _rules(proved)),
        "## Rules that no change of the program can set off",
        table(("rule", "why"), ((f"`{e.rule}`", e.reason) for e in explained.unproved)),
        "Of these the program declares no resource; their own tests show that they accuse:",
        ", ".join(f"`{rule.name}`" for rule in without_resources(proved, load_rules().values())),
        "## Unnoticed, and why",
        table(
            ("in", "at", "changes", "times", "why"),
            _survivors(explained.survivors, proved.survivors),
        ),
    ]
    return document("Proof of the policies", "`assurance/mutation/`", blocks)


def _rules(proved: Proof) -> Iterator[Row]:
    for name in sorted(load_rules()):
        asked = sum(name in trial.asked for trial in proved.trials)
        yield f"`{name}`", f"{proved.kills.get(name, 0):,}", f"{asked:,}"


def _survivors(
    entries: Sequence[Explained], survivors: Mapping[Kind, Sequence[Trial]]
) -> Iterator[Row]:
    """Yield an entry with what it explains: each kind belongs to the first that covers it."""
    left = dict(survivors)
    for entry in entries:
        mine = {kind for kind in left if entry.covers(kind)}
        times = sum(len(left.pop(kind)) for kind in mine)
        changes = ", ".join(sorted({change for _, _, change in mine}))
        place = f"`{entry.place}`" if entry.place else "the resource itself"
        yield f"`{entry.type}`", place, changes, f"{times:,}", entry.reason
