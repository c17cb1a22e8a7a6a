"""The baseline of the schema engine does the same work, on a real server."""

import pytest

from bench.measure import race
from bench.place import temporary_place
from bench.schema_suite import schema


@pytest.mark.slow
def test_every_contender_of_the_schema_suite_runs() -> None:
    with temporary_place() as paths, schema(paths) as suite:
        samples = race(suite, 1, lambda _: None)
    assert {name: len(taken) for name, taken in samples.items()} == {
        "psql, first apply": 1,
        "engine, first apply": 1,
        "psql, no change": 1,
        "engine, no change": 1,
    }
