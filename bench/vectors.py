"""Memories that nobody had: vectors with stated properties, the same on every machine.

A row is the unit vector of ``sqrt(0.3) * common + sqrt(0.3) * topic + sqrt(0.35) * B z +
sqrt(0.05) * noise``, so that, as with real embeddings, nothing is far from anything:

- *common* is shared by all: the cosine of two rows of different topics is about 0.3;
- *topic* is one of ``topics`` centres; two rows of one topic have about 0.6;
- ``B z`` is what is said about it, in a subspace of the topic's own with ``intrinsic`` dimensions,
  all alike; part of ``z`` is the conversation's (25 %), so two rows of one topic and one
  conversation have about 0.69;
- *noise* fills all dimensions, and decides nothing.

Conversations differ in size as ``SHARES`` says, speak of few topics each, most of one of them
(Zipf's law), and popular topics come up in many of them (Zipf's law again): a topic holds from
less than a thousandth to about a tenth of the rows.  Conversations are interleaved, as in time.
What makes the search hard is ``intrinsic``: in so many directions alike, the tenth neighbour is
hardly nearer than the hundredth, and a search that looks at 40 candidates misses some.

Rows come in chunks, each from a seed of its own: memory does not grow with their number, and ten
thousand rows are the first ten thousand of a hundred thousand.  Queries are drawn like rows, from
seeds that no row has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]
Weights = NDArray[np.float64]

COMMON, TOPIC, SAID, NOISE = 0.3, 0.3, 0.35, 0.05
"""Shares of a row's squared length."""
OF_THE_SESSION = 0.25
"""Share of what is said that a conversation says again and again."""
SHARES = ((0.1, 2, 40), (0.01, 20, 12), (0.001, 600, 4))
"""Share of all rows, how many conversations have it, how many topics each of them has."""
CHUNK = 1000
"""Rows that are in memory at once."""
EVERYWHERE = -1
"""Instead of a conversation: all rows count."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Some consecutive rows, or queries."""

    first: int
    vectors: Vectors
    sessions: Numbers
    """Number of each row's conversation."""
    topics: Numbers


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """All that there is to remember; equal parameters mean equal rows."""

    dimensions: int = 1536
    topics: int = 100
    intrinsic: int = 160
    seed: int = 5

    def chunks(self, rows: int) -> Iterator[Rows]:
        """The first so many rows."""
        for first in range(0, rows, CHUNK):
            stream = (self.seed, 0, first // CHUNK)
            chunk = self._draw(first, stream, self._session_shares)
            yield chunk if first + CHUNK <= rows else _head(chunk, rows - first)

    def queries(self, number: int, share: float | None = None) -> Rows:
        """So many queries; with a share, what might be asked in conversations of that size."""
        if number > CHUNK:
            raise BenchError(f"{number} queries asked for; there are {CHUNK}")
        weights = self._session_shares
        if share is not None:
            weights = np.where(weights == share, weights, 0)
            if not weights.any():
                sizes = ", ".join(f"{size:.1%}" for size, _, _ in SHARES)
                raise BenchError(f"no conversation has {share:.1%} of the rows; there are {sizes}")
        return _head(self._draw(0, (self.seed, 1), weights / weights.sum()), number)

    def _draw(self, first: int, stream: tuple[int, ...], weights: Weights) -> Rows:
        rng = np.random.default_rng(stream)
        sessions = rng.choice(len(weights), size=CHUNK, p=weights)
        ranks = (rng.random((CHUNK, 1)) > self._topic_bounds[sessions]).sum(axis=1)
        topics = self._session_topics[sessions, ranks]
        own = rng.standard_normal((CHUNK, self.intrinsic), dtype=np.float32)
        said = _mixed(OF_THE_SESSION, self._session_says[sessions], own)
        noise = rng.standard_normal((CHUNK, self.dimensions), dtype=np.float32)
        vectors = _scale(NOISE, self.dimensions) * noise + self._centres[topics]
        for topic in np.unique(topics):
            of_it = topics == topic
            vectors[of_it] += said[of_it] @ self._subspaces[topic]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Rows(first=first, vectors=vectors, sessions=sessions, topics=topics)

    # -- what all rows share -----------------------------------------------------------

    @cached_property
    def _session_shares(self) -> Weights:
        """Share of each conversation; together 1."""
        return np.repeat([share for share, _, _ in SHARES], [count for _, count, _ in SHARES])

    @cached_property
    def _session_topics(self) -> Numbers:
        """Topics of each conversation, the one that it speaks of most first."""
        rng = np.random.default_rng((self.seed, 2))
        popular, most = _zipf(self.topics), max(topics for _, _, topics in SHARES)
        drawn = [
            rng.choice(self.topics, size=most, replace=False, p=popular)
            for _ in self._session_shares
        ]
        return np.array(drawn)

    @cached_property
    def _topic_bounds(self) -> Weights:
        """Where, of the numbers from 0 to 1, each topic of a conversation ends."""
        most = max(topics for _, _, topics in SHARES)
        bounds = [
            np.pad(np.cumsum(_zipf(topics)[:-1]), (0, most - topics + 1), constant_values=1.0)
            for _, count, topics in SHARES
            for _ in range(count)
        ]
        return np.array(bounds)

    @cached_property
    def _session_says(self) -> Vectors:
        rng = np.random.default_rng((self.seed, 3))
        shape = (len(self._session_shares), self.intrinsic)
        return rng.standard_normal(shape, dtype=np.float32)

    @cached_property
    def _centres(self) -> Vectors:
        rng = np.random.default_rng((self.seed, 4))
        drawn = rng.standard_normal((1 + self.topics, self.dimensions), dtype=np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        centres: Vectors = _scale(COMMON, 1) * drawn[0] + _scale(TOPIC, 1) * drawn[1:]
        return centres

    @cached_property
    def _subspaces(self) -> Vectors:
        rng = np.random.default_rng((self.seed, 5))
        shape = (self.topics, self.intrinsic, self.dimensions)
        scale = _scale(SAID, self.intrinsic * self.dimensions)
        return scale * rng.standard_normal(shape, dtype=np.float32)


def _scale(share: float, dimensions: int) -> np.float32:
    """Factor that gives a standard normal vector this squared length."""
    return np.float32(np.sqrt(share / dimensions))


def _mixed(share: float, one: Vectors, other: Vectors) -> Vectors:
    return np.float32(np.sqrt(share)) * one + np.float32(np.sqrt(1 - share)) * other


def _zipf(count: int) -> Weights:
    weights = np.divide(1, np.arange(1, count + 1))
    total: Weights = weights / weights.sum()
    return total


def _head(rows: Rows, number: int) -> Rows:
    return Rows(
        first=rows.first,
        vectors=rows.vectors[:number],
        sessions=rows.sessions[:number],
        topics=rows.topics[:number],
    )


def nearest(
    corpus: Corpus, rows: int, vectors: Vectors, within: Numbers, number: int = 10
) -> Numbers:
    """Numbers of the rows truly nearest to each vector by cosine, the nearest first.

    ``within`` names the conversation whose rows alone count, or ``EVERYWHERE``; where that has
    fewer rows than are asked for, -1 fills the rest.
    """
    best = np.full((len(vectors), number), -np.inf, dtype=np.float32)
    found = np.full(best.shape, -1, dtype=np.int64)
    for chunk in corpus.chunks(rows):
        scores = vectors @ chunk.vectors.T
        counts = (within[:, None] == chunk.sessions) | (within[:, None] == EVERYWHERE)
        scores = np.hstack([best, np.where(counts, scores, -np.inf)])
        numbers = np.broadcast_to(chunk.first + np.arange(len(chunk.vectors)), counts.shape)
        numbers = np.hstack([found, numbers])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :number]
        best = np.take_along_axis(scores, order, axis=1)
        found = np.take_along_axis(numbers, order, axis=1)
    return found
