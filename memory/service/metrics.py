"""What Prometheus reads: numbers and fixed words, never an id, a name or a content."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from memory.encryption.reloading import ReloadingRing

PoolStats = Callable[[], Mapping[str, Mapping[str, int]]]
"""By database, psycopg_pool's own numbers."""

QUERY_BUCKETS = (
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0,
    2.5, 5.0, 10.0,
)  # fmt: skip
REQUEST_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True)
class Metrics:
    """Everything that is counted, in a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    queries: Histogram = field(init=False)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)
    in_flight: Gauge = field(init=False)
    searches: Counter = field(init=False)
    sealed: Counter = field(init=False)
    model_requests: Counter = field(init=False)
    model_tokens: Counter = field(init=False)
    ready: Gauge = field(init=False)
    key_age: Gauge = field(init=False)
    key_failures: Gauge = field(init=False)

    def __post_init__(self) -> None:
        """Name everything."""
        own = self.registry
        made: dict[str, object] = {
            "queries": Histogram(
                "zep_query_latency_seconds",
                "From sending a statement to its rows, without waiting for a connection",
                ["operation"], buckets=QUERY_BUCKETS, registry=own,
            ),
            "requests": Counter(
                "engram_http_requests", "Requests", ["method", "route", "status"], registry=own
            ),
            "request_seconds": Histogram(
                "engram_http_request_seconds", "From the first byte to the answer",
                ["method", "route"], buckets=REQUEST_BUCKETS, registry=own,
            ),
            "in_flight": Gauge("engram_http_in_flight", "Requests under way", registry=own),
            "searches": Counter(
                "zep_vector_searches", "Searches by whether anything was found", ["outcome"],
                registry=own,
            ),
            "sealed": Counter(
                "engram_sealed_memories", "Memories with fields encrypted, decrypted, or failed to",
                ["outcome"], registry=own,
            ),
        }  # fmt: skip
        for name, metric in {**made, **self._states()}.items():
            object.__setattr__(self, name, metric)
        for outcome in ("hit", "miss"):
            self.searches.labels(outcome)
        for outcome in ("encrypted", "decrypted", "failed"):
            self.sealed.labels(outcome)

    def _states(self) -> dict[str, object]:
        """The model, readiness and the keys."""
        own = self.registry
        return {
            "model_requests": Counter(
                "engram_model_requests", "Questions to the embedding model", ["outcome"],
                registry=own,
            ),
            "model_tokens": Counter(
                "engram_model_tokens", "Tokens as the embedding model counted them", registry=own
            ),
            "ready": Gauge("engram_ready", "Whether /readyz said so when it looked", registry=own),
            "key_age": Gauge(
                "engram_field_keys_loaded_timestamp_seconds", "When the field keys were loaded",
                registry=own,
            ),
            "key_failures": Gauge(
                "engram_field_keys_reload_failures", "Reloads of the field keys that failed",
                registry=own,
            ),
        }  # fmt: skip

    def observe_query(self, operation: str, seconds: float) -> None:
        """Note how long the database took."""
        self.queries.labels(operation).observe(seconds)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one request."""
        self.requests.labels(method, route, status).inc()
        self.request_seconds.labels(method, route).observe(seconds)

    def count_sealed(self, outcome: str) -> None:
        """Note a memory that was encrypted or decrypted."""
        self.sealed.labels(outcome).inc()

    def count_model(self, outcome: str, tokens: int) -> None:
        """Note a question to the model."""
        self.model_requests.labels(outcome).inc()
        self.model_tokens.inc(tokens)

    def watch_keys(self, ring: ReloadingRing) -> None:
        """Report how old the field keys are, and how often they could not be read."""
        self.key_failures.set_function(lambda: ring.failures)
        self.key_age.set_function(lambda: ring.loaded_at.timestamp() if ring.loaded_at else 0.0)

    def watch_pools(self, stats: PoolStats) -> None:
        """Report the pools' own numbers whenever they are asked for."""
        self.registry.register(Pools(stats))


class Pools(Collector):
    """Connections as they are at this moment."""

    def __init__(self, stats: PoolStats) -> None:
        self._stats = stats

    @override
    def collect(self) -> Iterable[Metric]:
        """Read every pool."""
        yield from self._families()

    def _families(self) -> Iterator[Metric]:
        connections = GaugeMetricFamily(
            "engram_pool_connections", "Connections by use", labels=["database", "state"]
        )
        most = GaugeMetricFamily("engram_pool_connections_max", "Most of them", labels=["database"])
        waiting = GaugeMetricFamily(
            "engram_pool_waiting", "Requests that wait for a connection", labels=["database"]
        )
        for name, numbers in self._stats().items():
            idle = numbers.get("pool_available", 0)
            connections.add_metric([name, "idle"], idle)
            connections.add_metric([name, "used"], numbers.get("pool_size", 0) - idle)
            most.add_metric([name], numbers.get("pool_max", 0))
            waiting.add_metric([name], numbers.get("requests_waiting", 0))
        yield from (connections, most, waiting)
