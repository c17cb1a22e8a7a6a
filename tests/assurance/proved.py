"""The proof over the real program, made once per process: it takes half a minute."""

from functools import cache

from assurance.mutation.proof import Proof, prove
from assurance.policies.rules import load
from tests.assurance.recorded import stack
from tests.stacks.files import STACKS


@cache
def proof() -> Proof:
    """Return what became of every mutant of all four stacks."""
    return prove((stack(name) for name in reversed(STACKS)), list(load().values()))
