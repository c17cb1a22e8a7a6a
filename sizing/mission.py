"""The deployment strategy's own formula, with the units of its text.

Its text counts 500 bytes a message and 1 KB a fact, and its worked example follows it.  Its
function multiplies by 0.0005 and 0.001 and calls the product gigabytes, although 500 bytes are
0.0000005 GB: a thousand times too much.  Both count what people wrote and nothing that a database
adds: no embeddings, no index, no TOAST, no write-ahead log, no connections.
"""

from dataclasses import dataclass
from typing import Literal

from sizing.catalogue import SKUS, Sku
from sizing.workload import Workload

Environment = Literal["dev", "test", "uat", "prod"]
GB = 10**9
MESSAGE_GB = 0.0005
"""As the function has it; right would be 0.0000005."""
FACT_GB = 0.001
"""As the function has it; right would be 0.000001."""
SOURCE = "deployment strategy, section 2"


@dataclass(frozen=True)
class Step:
    """A server of the strategy's table."""

    sku: Sku
    storage_gib: int


SMALL = Step(SKUS["Standard_B1ms"], 32)
MIDDLE = Step(SKUS["Standard_D2s_v3"], 128)
LARGE = Step(SKUS["Standard_D4s_v3"], 256)
BELOW: tuple[tuple[float, Step], ...] = ((2.0, SMALL), (10.0, MIDDLE))
"""The first step whose bound in GB is above the result; LARGE where none is."""
FLOOR: dict[Environment, Step] = {
    "dev": SMALL,
    "test": Step(SKUS["Standard_B2s"], 32),
    "uat": MIDDLE,
    "prod": LARGE,
}
"""What an environment has at the least, by the strategy's table."""

EXPECTED_LOAD: tuple[tuple[Environment, int, int], ...] = (
    ("dev", 100, 1_000),
    ("test", 500, 10_000),
    ("uat", 2_000, 100_000),
)
"""Sessions and facts that the strategy's table expects; beyond them it is production."""


@dataclass(frozen=True, kw_only=True)
class Mission:
    """What the formula says."""

    episodic_gb: float
    semantic_gb: float
    total_gb: float
    mapped: Step
    """By the result alone."""
    step: Step
    """Not below the environment's floor."""
    code_total_gb: float
    """What the strategy's function returns for the same numbers."""
    code_step: Step


def mission(workload: Workload, environment: Environment) -> Mission:
    """Apply the formula of the text: (messages + facts) x growth."""
    kept = workload.sessions * workload.messages_per_session * workload.retention_days / 30
    episodic = kept * workload.message_bytes / GB
    semantic = workload.facts * workload.content_bytes / GB
    total = (episodic + semantic) * workload.growth_factor
    code = (kept * MESSAGE_GB + workload.facts * FACT_GB) * workload.growth_factor
    return Mission(
        episodic_gb=episodic,
        semantic_gb=semantic,
        total_gb=total,
        mapped=mapped(total),
        step=larger(mapped(total), FLOOR[environment]),
        code_total_gb=code,
        code_step=mapped(code),
    )


def mapped(total_gb: float) -> Step:
    """The strategy's mapping: below 2 GB, below 10 GB, and everything else."""
    return next((step for bound, step in BELOW if total_gb < bound), LARGE)


def larger(one: Step, other: Step) -> Step:
    """The one with more memory; on a tie, more cores."""
    return max(one, other, key=lambda step: (step.sku.memory_gib, step.sku.vcores))


def expected_environment(sessions: int, facts: int) -> Environment:
    """The environment of the strategy's table for such a load."""
    for environment, most_sessions, most_facts in EXPECTED_LOAD:
        if sessions <= most_sessions and facts <= most_facts:
            return environment
    return "prod"
