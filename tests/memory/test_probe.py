"""memory/schema/probe.py against a real server."""

from dataclasses import replace

import pytest

from memory.schema.errors import StepFailed
from memory.schema.probe import prove
from memory.schema.runner import apply, open_direct
from memory.schema.steps import Probe
from tests.memory.conftest import PASSWORDS, Live

INDEX = "zep_memory_vectors_embedding_idx"
PROBE = Probe(
    relation="memory.zep_memory_vectors",
    column="embedding",
    column_type="vector",
    dimensions=1536,
    distance="cosine",
    vectors_in="public",
    index=INDEX,
)


def test_an_index_of_another_distance_does_not_pass(live: Live) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    with open_direct(live.endpoint) as session:
        assert prove(session, PROBE, role=desired.owner) == 0
        with pytest.raises(StepFailed, match=r"takes no index.*its distance must be the query's"):
            prove(session, replace(PROBE, distance="l2"), role=desired.owner)


def test_a_hidden_index_is_back_after_the_proof(live: Live) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    hidden = replace(PROBE, hidden=f"memory.{INDEX}")
    with open_direct(live.endpoint) as session:
        with pytest.raises(StepFailed, match=f"index {INDEX} does not answer"):
            prove(session, hidden, role=desired.owner)
        assert prove(session, PROBE, role=desired.owner) == 0
