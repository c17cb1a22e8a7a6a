"""What the stated workload demands of the servers' sizes: of today's figures, nothing of growth."""

from collections.abc import Iterator

from memory.schema.model import INDEXABLE_DIMENSIONS
from sizing.errors import SizingError
from sizing.verdict import Finding
from stacks.settings.mistakes import Mistake
from stacks.settings.model import StackSettings
from stacks.settings.sizing import (
    NODES,
    Judgement,
    judgements,
    number,
    recommendation,
    resize_command,
    sizer_command,
)

TAKES = {
    "storage": "takes {} GiB of disk",
    "memory": "takes {} GiB of memory",
    "iops": "asks for {} operations a second",
}
SCALE_OUT = (
    "no single server of Azure's holds the workload once grown: docs/scale-out.md says what does;"
    " or correct the workload"
)
LARGER_NODES = "choose more or larger nodes (docs/scale-out.md), or correct the workload"
LARGER_SERVER = (
    "choose a larger one for Zep's own data, which is not on the nodes: for a server that stands"
    " docs/runbooks/undersized-server.md; or correct the workload"
)


def the_workload_fits_its_server(s: StackSettings) -> Iterator[Mistake]:
    """A server that is too small for the vectors is found here, and not in production."""
    if not 1 <= s.memory.dimensions <= INDEXABLE_DIMENSIONS[s.memory.element_type]:
        return  # another rule's mistake, and no ground to reckon on
    try:
        judged = list(judgements(s))
    except SizingError as error:
        yield Mistake("workload", error, "what can be reckoned", "correct the workload")
        return
    small = [
        (one, finding)
        for one in judged
        for finding in one.verdict.findings
        # The connections' own rule says who opens them.
        if not finding.fits and finding.what != "connections"
    ]
    remedy = _remedy(s) if small else ""
    for one, finding in small:
        yield _mistake(one, finding, LARGER_NODES if one.path == NODES else remedy)


def _remedy(s: StackSettings) -> str:
    """While a disk grows by itself, a standing server's size is not taken from the file."""
    if s.nodes is not None:
        return LARGER_SERVER
    found = recommendation(s)
    if found is None or found.outgrown:
        return SCALE_OUT
    return (
        f"where the server stands, `{resize_command(s)}` resizes it; for a new one"
        f" `{sizer_command(s)}` writes its size; or correct the workload"
    )


def _mistake(one: Judgement, finding: Finding, remedy: str) -> Mistake:
    key, value = _place(one, finding)
    takes = TAKES[finding.what].format(number(finding.needed))
    return Mistake(
        f"{one.path}.{key}",
        f"{value} for a workload that {takes}",
        f"{number(finding.available)} or less ({finding.why})",
        remedy,
    )


def _place(one: Judgement, finding: Finding) -> tuple[str, object]:
    """Return the key to change and its value."""
    if finding.what == "memory":
        return "sku", one.sku.name
    if finding.what == "storage":
        return "storage.size_gib", one.storage_gib
    if finding.available < one.sku.iops:
        return "storage.tier", one.storage_tier
    return "sku", one.sku.name


RULES = (the_workload_fits_its_server,)
