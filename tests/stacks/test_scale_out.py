"""stacks/settings/scale_out.py and its rules: what stands beside the server, or is made of it"""

from datetime import date
from inspect import isfunction
from types import ModuleType
from typing import Any

import pytest

from stacks.settings.cautions import cautions
from stacks.settings.model import ManagedPostgres
from stacks.settings.rules import scale_out, server
from tests.stacks.bad import Bad, named, refused, row
from tests.stacks.files import config_of, settings_of
from tests.stacks.test_bad_sizes import SOURCE

REPLICAS, NODES = "postgres.read_replicas", "postgres.elastic_cluster"
STORAGE = {"size_gib": 512, "tier": "P20"}
CLUSTER = {"nodes": 2, "sku": "Standard_D4ds_v5", "storage": STORAGE}


def prods_size() -> tuple[str, int]:
    """SKU and disk of the production server, which the rows are about."""
    server = config_of("prod")["engram:settings"]["postgres"]
    return server["sku"], server["storage"]["size_gib"]


def cluster(**changes: Any) -> dict[str, Any]:
    return {**CLUSTER, **changes}


SKU, DISK = prods_size()

WRONG = [
    row(
        "prod", REPLICAS, [{"name": "Read_1"}], "'Read_1'", "1 to 16 lower-case", "short name",
        at=f"{REPLICAS}.0.name",
    ),
    *(
        row("prod", REPLICAS, [{"name": name}], repr(name), "but for `nodes` and", "short name",
            at=f"{REPLICAS}.0.name")
        for name in ("g2", "g2-a", "nodes")
    ),
    row("prod", REPLICAS, [{"name": f"r{n}"} for n in range(6)], "", "5 or fewer", "remove some"),
    row("prod", REPLICAS, [{"name": "a"}, {"name": "a"}], "'a' 2 times", "once", "rename"),
    row("dev", REPLICAS, [{"name": "a"}], "1 of a Standard_B1ms", "Burstable", "D or E series"),
    row(
        "prod", REPLICAS, [{"name": "a", "sku": "Standard_D2s_v3"}],
        f"'Standard_D2s_v3' behind a {SKU}", "or more, and not Burstable", "remove it",
        at=f"{REPLICAS}.0.sku",
    ),
    row(
        "prod", REPLICAS, [{"name": "a", "sku": "Standard_B20ms"}],
        "'Standard_B20ms'", "not Burstable", "remove it", at=f"{REPLICAS}.0.sku",
    ),
    row(
        "prod", REPLICAS, [{"name": "a", "storage_gib": 32}],
        f"32 behind a disk of {DISK} GiB", f"{DISK} or more", "remove it",
        at=f"{REPLICAS}.0.storage_gib",
    ),
    row("prod", NODES, cluster(nodes=1), "1", "2 or more", "raise it", at=f"{NODES}.nodes"),
    row("prod", NODES, cluster(nodes=11), "11", "10 or less", "lower it", at=f"{NODES}.nodes"),
    row(
        "prod", NODES, cluster(sku="Standard_B4ms"), "'Standard_B4ms'", "D or E series", "choose",
        at=f"{NODES}.sku",
    ),
    row(
        "prod", NODES, cluster(storage={"size_gib": 512, "tier": "P10"}),
        "'P10' with 512 GiB", "P20", "choose P20", at=f"{NODES}.storage.tier",
    ),
    row(
        "prod", NODES, cluster(nodes=10, sku="Standard_D2ds_v5"),
        "to 10 nodes of Standard_D2ds_v5", "84 (844 of a node / 10 nodes)", "make the pools",
        at="connections.application",
    ),
]  # fmt: skip
OF_LESS_MEMORY = Bad(
    "prod",
    {"postgres.sku": "Standard_E4ds_v5", REPLICAS: [{"name": "a", "sku": "Standard_D4ds_v5"}]},
    f"{REPLICAS}.0.sku", "behind a Standard_E4ds_v5", "4 vCores and 32 GiB", "remove it",
)  # fmt: skip
BESIDE = Bad(
    "prod", {REPLICAS: [{"name": "a"}], NODES: CLUSTER}, REPLICAS,
    "1 beside elastic_cluster", "the memory table is on the nodes", "remove read_replicas",
)  # fmt: skip


ALL = [*WRONG, OF_LESS_MEMORY, BESIDE]


@pytest.mark.parametrize("bad", ALL, ids=named(ALL))
def test_what_azure_would_refuse_is_refused_here(bad: Bad) -> None:
    refused(bad)


def test_a_zone_is_named_only_where_there_are_zones() -> None:
    refused(
        Bad(
            "dev",
            {
                "azure-native:location": "westus",
                "postgres.sku": "Standard_D2s_v3",
                "cluster.memory_pool.zones": [],
                "cluster.system_pool.zones": [],
                REPLICAS: [{"name": "a", "zone": "2"}],
            },
            f"{REPLICAS}.0.zone",
            "'2' in westus",
            "no zone",
            "remove it",
        )
    )


def accepted(stack: str, changes: dict[str, object]) -> ManagedPostgres:
    server = settings_of(stack, changes).postgres
    assert isinstance(server, ManagedPostgres)
    return server


def test_replicas_of_the_servers_size_or_more_are_accepted() -> None:
    first = {"name": "read-1", "zone": "3"}
    second = {"name": "read-2", "sku": "Standard_E8ds_v5", "storage_gib": 2 * DISK}
    assert [r.name for r in accepted("prod", {REPLICAS: [first, second]}).read_replicas] == [
        "read-1",
        "read-2",
    ]


def test_a_name_may_begin_like_one_that_is_taken() -> None:
    names = [{"name": "g2a"}, {"name": "nodes1"}, {"name": "g"}]
    assert len(accepted("prod", {REPLICAS: names}).read_replicas) == 3


@pytest.mark.parametrize(("changes", "told"), [({}, 0), ({NODES: CLUSTER}, 1)])
def test_an_open_question_about_the_key_of_nodes_is_told(
    changes: dict[str, object], told: int
) -> None:
    texts = cautions(settings_of("prod", changes), date(2026, 11, 23))
    assert len([text for text in texts if "take the customer's key" in text]) == told


def test_each_node_leaves_a_client_its_share_of_connections() -> None:
    nodes = accepted("prod", {NODES: cluster(nodes=4, sku="Standard_D16ds_v5")}).elastic_cluster
    assert nodes is not None
    assert nodes.user_connections == 4985 // 4


@pytest.mark.parametrize("module", [scale_out, server], ids=lambda module: module.__name__)
def test_every_rule_is_in_the_list(module: ModuleType) -> None:
    written = [
        rule
        for name, rule in vars(module).items()
        if isfunction(rule)
        and rule.__module__ == module.__name__
        and not name.startswith("_")
        and rule is not server.for_a_managed_server
    ]
    assert written == list(module.RULES)


# -- a server made of a backup -----------------------------------------------------------


RESTORE = "postgres.restore_from"


def restored(point_in_time: str, **more: object) -> dict[str, object]:
    return {RESTORE: {**SOURCE, "point_in_time": point_in_time, **more}}


def test_a_point_before_the_passwords_is_refused() -> None:
    found = "2026-10-31T23:59:59Z, before the passwords were renewed on 2026-11-01"
    early = "2026-11-01T01:59:59+02:00"
    refused(
        Bad("prod", restored(early), f"{RESTORE}.point_in_time", found, "later", "choose a later")
    )


def test_a_point_is_judged_until_the_server_stands() -> None:
    assert accepted("prod", restored("2026-11-01T00:00:00Z")).restore_from is not None
    assert accepted("prod", restored("2026-10-01T00:00:00Z", finished=True)).restore_from
