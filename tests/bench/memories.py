"""A table with a few hundred small vectors on a real server; import the fixtures."""

from collections.abc import Iterator

import pytest

from bench.hnsw_table import Memories, large_server
from bench.place import temporary_place
from bench.search import Questions, questions_about
from bench.server import Server
from bench.vectors import Corpus

CORPUS = Corpus(dimensions=64, intrinsic=16)
ROWS = 1500


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server on which figures are measured, in a place of its own."""
    with temporary_place(), large_server() as server:
        yield server


@pytest.fixture(scope="module")
def memories(server: Server) -> Memories:
    """The table with its rows, without the index."""
    return _filled(Memories.create(server, "vector", CORPUS.dimensions))


@pytest.fixture(scope="module")
def halves(server: Server) -> Memories:
    """The same in half precision, with the index; a server has one of both at a time."""
    made = _filled(Memories.create(server, "halfvec", CORPUS.dimensions))
    made.apply()
    return made


def questions(number: int, share: float | None = None) -> Questions:
    """So many queries, and their true answers."""
    return questions_about(CORPUS, ROWS, {share: number})[share]


def _filled(made: Memories) -> Memories:
    made.load(CORPUS, ROWS, lambda _: None)
    return made
