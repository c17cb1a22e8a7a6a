"""tools/postgres-sizer.py and sizing/cli.py: the command, its outputs, and the stack file."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sizing.cli import main, parser
from sizing.prices import PriceBook, PriceList, write_prices
from stacks.settings.budget import shares
from tools.sizer_stack import StackFiles
from tools.stack_file import read

ROOT = Path(__file__).parent.parent.parent
MISSION = (
    *("--sessions", "10000", "--messages-per-session", "50"),
    *("--facts", "1000000", "--retention-days", "90"),
)
SMALL = ("--sessions", "100", "--messages-per-session", "50", "--facts", "1000")


def answer(*arguments: str) -> int:
    return main(arguments, StackFiles())


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert answer(*arguments, "--output", "json") == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_missions_own_command_writes_a_file(tmp_path: Path) -> None:
    """From any folder, as the strategy's document has it."""
    script = str(ROOT / "tools" / "postgres-sizer.py")
    done = subprocess.run(
        [sys.executable, script, *MISSION, "--output", "postgres-recommendation.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "postgres-recommendation.yaml: written\n"
    text = (tmp_path / "postgres-recommendation.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    assert data["mission"]["total_gb"] == 5.25
    assert data["mission"]["mapped"] == {"sku": "D2s_v3", "storage_gb": 128}
    assert (data["mission"]["sku"], data["mission"]["ram_gb"]) == ("D4s_v3", 16)
    assert data["recommendation"]["sku"] == "Standard_E8s_v3"
    assert data["safe"]["answer"] == "measured"


def test_formats_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    data = as_json(capsys, *MISSION)
    assert answer(*MISSION, "--output", "yaml") == 0
    assert yaml.safe_load(capsys.readouterr().out) == data
    assert answer(*MISSION) == 0
    table = capsys.readouterr().out
    assert "5.25 GB of text" in table
    assert "E8s_v3" in table
    assert f"safe: measured: {data['safe']['why']}" in table


def test_a_json_file_is_json(tmp_path: Path) -> None:
    path = tmp_path / "answer.JSON"
    assert answer(*SMALL, "--output", str(path)) == 0
    assert json.loads(path.read_text(encoding="utf-8"))["recommendation"]["sku"]


def test_the_answer_has_everything_that_the_stack_will_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = as_json(capsys, *MISSION)["recommendation"]
    assert found["storage_gib"] == 256
    assert found["index"] == {
        "method": "hnsw",
        "m": 16,
        "ef_construction": 64,
        "ef_search": 40,
    }
    assert found["memory"]["build"]["in_memory"]
    assert found["memory"]["build"]["minutes"] > 0
    assert found["high_availability"] == "ZoneRedundant"
    assert found["connections"]["pools"] == {
        "a replica of the memory service": {
            "pool_size": 25,
            "max_overflow": 10,
            "timeout_seconds": 30,
        },
        "PgBouncer": {
            "max_client_connections": 1000,
            "default_pool_size": 25,
            "reserve_pool_size": 5,
        },
    }
    assert found["cost"].startswith("price unknown: no prices of westeurope in USD")
    assert found["today"].keys() == {"storage", "memory", "connections", "iops"}


@pytest.mark.parametrize("stack", ["dev", "test", "uat", "prod"])
def test_connections_are_those_of_the_environments_pods(
    capsys: pytest.CaptureFixture[str], stack: str
) -> None:
    needed = as_json(capsys, *SMALL, "--environment", stack)["recommendation"]["connections"]
    assert needed["needed"] == sum(shares(read(ROOT / f"Pulumi.{stack}.yaml").draft()).values())


def test_flags_of_the_wish_are_heard(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(
        capsys,
        *(*SMALL, "--environment", "dev", "--connections", "900", "--series", "ds_v5"),
        *("--high-availability", "SameZone", "--target-p95-ms", "50"),
    )["recommendation"]
    assert found["sku"] == "Standard_E2ds_v5"
    assert found["high_availability"] == "SameZone"
    assert found["p95_ms"]["target"] == 50


@pytest.mark.parametrize(
    ("flags", "index"),
    [
        ((), {"method": "hnsw", "m": 16, "ef_construction": 64}),
        (("--m", "8"), {"method": "hnsw", "m": 8, "ef_construction": 64}),
        (("--index", "hnsw", "--ef-construction", "99"), {"m": 16, "ef_construction": 99}),
        (("--index", "ivfflat"), {"method": "ivfflat", "lists": 10}),
        (("--index", "ivfflat", "--lists", "7"), {"method": "ivfflat", "lists": 7}),
        (
            ("--index", "ivfflat", "--embeds-messages", "--sessions", "1000"),
            {"method": "ivfflat", "lists": 51},
        ),
        (("--index", "none"), None),
    ],
)
def test_the_index_is_as_asked_for(
    capsys: pytest.CaptureFixture[str], flags: Sequence[str], index: dict[str, Any] | None
) -> None:
    found = as_json(capsys, *SMALL, *flags)["workload"]["index"]
    assert found == index if index is None else found.items() >= index.items()


def test_the_shape_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    given_ = {
        "message_bytes": 600,
        "content_bytes": 1200,
        "metadata_bytes": 80,
        "dimensions": 3072,
        "element_type": "halfvec",
        "growth_factor": 2.0,
        "growth_per_month": 0.1,
    }
    flags = [w for k, v in given_.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    load = as_json(capsys, *SMALL, *flags, "--embeds-messages")["workload"]
    assert load.items() >= {**given_, "embeds_messages": True}.items()
    assert load["rows"] == 6000


def test_a_load_beyond_every_server_gets_advice(capsys: pytest.CaptureFixture[str]) -> None:
    huge = ("--sessions", "10000", "--messages-per-session", "50", "--facts", "300000000")
    assert answer(*huge) == 0
    said = capsys.readouterr().out
    assert "none is large enough; the largest: E192ds_v6" in said
    assert "elastic cluster: " in said
    advice = {a["what"]: a for a in as_json(capsys, *huge)["advice"]}
    nodes = advice["elastic cluster"]["settings"]["postgres.elastic_cluster"]
    assert nodes.keys() == {"nodes", "sku", "storage"}


def test_a_burstable_size_tells_its_credits(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(*SMALL) == 0
    assert "Burstable: 20 % of one vCPU for ever, all 1 for 360 minutes" in capsys.readouterr().out


def test_explain_shows_the_codes_figure_and_why_it_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = as_json(capsys, *MISSION, "--explain")["explained"]["the code's figure"][0]
    assert code["value"] == "5,250.0 GB"
    assert "1000 times too much" in code["how"]
    assert answer(*MISSION, "--explain") == 0
    assert "5,250.0 GB" in capsys.readouterr().out


def test_every_explained_term_has_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    explained = as_json(capsys, *MISSION, "--explain")["explained"]
    lines = [line for lines in explained.values() for line in lines if line["name"] != "all"]
    assert len(lines) > 30
    assert all(line["source"] and line["how"] for line in lines)


def test_costs_come_from_a_file_of_dated_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.yaml"
    prices = PriceList(
        region="uksouth",
        currency="GBP",
        fetched=date.today(),  # noqa: DTZ011 - what is fresh is a matter of today
        source="https://prices.example",
        compute_an_hour={"Standard_E8s_v3": Decimal("0.5"), "Standard_D4s_v3": Decimal("0.25")},
        storage_a_gib_month=Decimal("0.1"),
    )
    write_prices(path, PriceBook((prices,)))
    where = ("--prices", str(path), "--region", "uksouth", "--currency", "GBP")
    data = as_json(capsys, *MISSION, *where)
    assert data["recommendation"]["cost"] == {
        "a_month": 781.2,
        "currency": "GBP",
        "region": "uksouth",
        "dated": prices.fetched.isoformat(),
        "source": "https://prices.example",
        "terms": "2 x (0.5 an hour x 730 + 0.1 x 256 GiB)",
    }
    assert data["mission"]["cost"]["a_month"] == 416.2
    assert answer(*MISSION, *where) == 0
    assert "781.20 GBP a month" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--output", "answer.txt"), "--output 'answer.txt': allowed are table, yaml, json"),
        (("--output", "no/such/folder/a.yaml"), "there is no folder no/such/folder; make it"),
        (("--sessions", "1" + "0" * 400), "sessions of 401 digits: allowed is 1 to"),
        (("--facts", "1" + "0" * 320, "--index", "ivfflat"), "facts of 321 digits"),
        (("--index", "none", "--facts", "1000000"), "no index: each search would compare all"),
        (("--dimensions", "3072"), "use halfvec"),
        (("--lists", "5"), "--lists 5: belongs to ivfflat, and the index is hnsw"),
        (("--index", "none", "--m", "5"), "--m 5: belongs to hnsw, and the index is none"),
        (("--growth-factor", "nan"), "growth factor nan"),
        (("--connections", "99999"), "99,999 connections: no server"),
        (("--prices", "none.yaml"), "none.yaml: cannot be read as prices"),
        (("--write-stack", "Pulumi.none.yaml"), "Pulumi.none.yaml"),
        (("--write-stack", "README.md"), "README.md: found no stack in its name"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], why: str
) -> None:
    assert answer(*SMALL, *arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("postgres-sizer.py: ")
    assert said.err.count("\n") == 1
    assert why in said.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("--facts", "many"), (*SMALL, "--enviroment", "dev"), (*SMALL, "--index", "btree")],
)
def test_arguments_that_cannot_be_read_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        answer(*arguments)
    said = capsys.readouterr().err
    assert said.endswith("; --help tells what is allowed\n")
    assert said.count("\n") == 1


FLAGS = sorted(
    option
    for action in parser()._actions
    for option in action.option_strings
    if option not in {"-h", "--help", "--write-stack", "--output", "--prices"}
)
VALUES = (
    st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["", "0", "1e6", "-0", "1_000", "halfvec", "ivfflat", "none", "prod", "\0"])
    | st.text(max_size=8)
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(FLAGS), VALUES), max_size=6))
def test_any_arguments_get_an_answer_or_one_line(
    capsys: pytest.CaptureFixture[str], drawn: list[tuple[str, str]]
) -> None:
    words = [
        f"{flag}={value}" if flag not in {"--explain", "--embeds-messages"} else flag
        for flag, value in drawn
    ]
    try:
        code = answer(*SMALL, *words, "--output", "yaml")
    except SystemExit as stop:
        code = int(stop.code or 0)
    said = capsys.readouterr()
    if code == 0:
        assert yaml.safe_load(said.out)["recommendation"]["sku"]
    else:
        assert code in {1, 2}
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
