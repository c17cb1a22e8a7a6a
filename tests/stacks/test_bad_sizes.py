"""A workload that its server does not hold, and what stands beside a server, one line a mistake."""

import pytest

from tests.stacks.bad import Bad, named, refused, row
from tests.stacks.test_bad_stack_files import OURS

STANDS = "where the server stands, `python tools/resize.py apply --stack {}` resizes it; for a new "
SIZER = STANDS + "one `python tools/postgres-sizer.py --sessions "
SIZING = [
    row(
        "test", "workload.retention_days", 36_500, "32 for a workload that takes",
        "25.6 or less (80% of 32 GiB",
        SIZER.format("test") + "500 --messages-per-session 50 --facts 10000"
        " --retention-days 36500 --write-stack",
        at="postgres.storage.size_gib",
    ),
    row(
        "prod", "workload.facts", 2_500_000, "Standard_D4s_v3 for a workload that takes",
        "12.8 or less (the vector index within 80% of 16 GiB", SIZER.format("prod") + "10000 ",
        at="postgres.sku",
    ),
    row(
        "uat", "workload.sessions", 500_000, "P10 for a workload that asks for", "500 or less",
        SIZER.format("uat") + "500000 ", at="postgres.storage.tier",
    ),
    Bad(
        "uat", {"workload.sessions": 2_000_000, "postgres.storage.tier": "P50",
                "postgres.storage.size_gib": 4096},
        "postgres.sku", "Standard_D2s_v3 for a workload that asks for", "3,200 or less",
        SIZER.format("uat") + "2000000 ",
    ),
    Bad(
        "prod", {"workload.facts": 60_000_000, "postgres.storage.tier": "P50",
                 "postgres.storage.size_gib": 4096},
        "postgres.sku", "Standard_D4s_v3 for a workload that takes", "12.8 or less",
        "no single server of Azure's holds the workload once grown: docs/scale-out.md",
    ),
    row("test", "connections.application.pool_size", 100, "567 (440 for the memory service",
        "414 on Standard_B2s", "make the pools smaller", at="connections"),
    row("dev", "workload.facts", 0, "0", "1 or more", "at least 1"),
    row("dev", "workload.facts", 10**13, "1000000000000", "1000000000000 or less", "at most 100"),
    row("dev", "workload.growth_factor", 0.5, "0.5", "1.0 or more", "at least 1"),
    row("dev", "workload.growth_per_month", -0.1, "-0.1", "0.0 or more", "at least 0"),
    row("dev", "workload.content_bytes", 2**31, "2147483648", "1073741824 or less", "at most 1073"),
    row("dev", "workload.as_of", "today", "'today'", "2026-11-01", "year-month-day"),
    row("dev", "workload.growth", 2, "unknown key 'growth'", "growth_factor", "mean growth_"),
]  # fmt: skip
SOURCE = {
    "server_id": f"/subscriptions/{OURS}/resourceGroups/rg-engram-prod/providers"
    "/Microsoft.DBforPostgreSQL/flexibleServers/psql-engram-prod",
    "point_in_time": "2026-11-23T10:00:00Z",
    "generation": 2,
}
LISTS = [
    row("prod", "postgres.read_replicas", [{"name": "a"}, {"name": "b", "skuu": "x"}],
        "unknown key 'skuu'", "name, sku", "mean sku?", at="postgres.read_replicas.1.skuu"),
    row("prod", "postgres.read_replicas", [{"name": "Read 1"}], "'Read 1'", "1 to 16", "e.g. read",
        at="postgres.read_replicas.0.name"),
    row("prod", "postgres.read_replicas", [{}], "nothing", "text", "add postgres.read_replicas.0",
        at="postgres.read_replicas.0.name"),
    row("prod", "postgres.read_replicas", ["a"], "'a'", "an object", "indent its keys",
        at="postgres.read_replicas.0"),
    row("prod", "postgres.read_replicas", {"name": "a"}, "an object with name", "a list",
        "square brackets"),
    row("prod", "postgres.restore_from", {**SOURCE, "point_in_time": "2026-11-23"},
        "'2026-11-23'", "an instant with its offset", "offset in quotes",
        at="postgres.restore_from.point_in_time"),
    row("prod", "postgres.restore_from", {**SOURCE, "point_in_time": "2026-11-23T10:00:00"},
        "'2026-11-23T10:00:00'", "an instant with its offset", "offset in quotes",
        at="postgres.restore_from.point_in_time"),
]  # fmt: skip
ROWS = [*SIZING, *LISTS]


@pytest.mark.parametrize("bad", ROWS, ids=named(ROWS))
def test_a_mistake_is_one_line_with_path_value_allowed_and_remedy(bad: Bad) -> None:
    refused(bad)
