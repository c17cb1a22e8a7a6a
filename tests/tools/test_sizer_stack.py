"""tools/sizer_stack.py: the recommendation in a stack file, and what is read from one."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from sizing.advice import advise
from sizing.cli import main
from sizing.recommend import Wish, recommend
from stacks.settings.sizing import judgements, workload_of
from tests.stacks.files import config_of, settings_of
from tools.sizer_stack import StackFiles
from tools.stack_file import read

ROOT = Path(__file__).parent.parent.parent
SMALL = ("--sessions", "100", "--messages-per-session", "50", "--facts", "1000")
MISSION = (
    *("--sessions", "10000", "--messages-per-session", "50"),
    *("--facts", "1000000", "--retention-days", "90"),
)


def answer(*arguments: str) -> int:
    return main(arguments, StackFiles())


def copy_of(stack: str, folder: Path) -> Path:
    name = f"Pulumi.{stack}.yaml"
    return Path(shutil.copy(ROOT / name, folder / name))


def test_the_stack_file_gets_load_and_server_and_keeps_its_comments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_of("uat", tmp_path)
    before = path.read_text(encoding="utf-8")
    load = ("--sessions", "4000", "--messages-per-session", "50", "--facts", "900000")
    assert answer(*load, "--write-stack", str(path)) == 0
    after = path.read_text(encoding="utf-8")
    file = read(path)
    assert file.mistakes() == []
    assert file.settings["workload"].items() >= {"sessions": 4000, "facts": 900_000}.items()
    assert file.settings["workload"]["as_of"] == date.today().isoformat()  # noqa: DTZ011 - as above
    assert file.settings["postgres"]["sku"] == "Standard_E8s_v3"
    assert "sku: Standard_E8s_v3 # 8 vCores, 64 GiB, 4985 connections" in after
    assert after.count("#") == before.count("#")
    assert "postgres.sku: Standard_D2s_v3 -> Standard_E8s_v3" in capsys.readouterr().err


def test_what_is_written_is_written_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_of("uat", tmp_path)
    load = ("--sessions", "4000", "--messages-per-session", "50", "--facts", "900000")
    assert answer(*load, "--write-stack", str(path)) == 0
    first = path.read_bytes()
    assert answer(*load, "--write-stack", str(path)) == 0
    assert path.read_bytes() == first
    assert "is already so" in capsys.readouterr().err


def test_a_disk_never_shrinks(tmp_path: Path) -> None:
    path = copy_of("prod", tmp_path)
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            "size_gib: 256\n        tier: P15", "size_gib: 1024\n        tier: P30"
        ),
        encoding="utf-8",
    )
    assert answer(*SMALL, "--write-stack", str(path)) == 0
    storage = read(path).settings["postgres"]["storage"]
    assert (storage["size_gib"], storage["tier"]) == (1024, "P30")


def test_the_table_of_the_stack_file_is_what_is_sized(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_of("dev", tmp_path)
    assert answer(*SMALL, "--output", "json", "--write-stack", str(path)) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["workload"]["index"] == {"method": "ivfflat", "lists": 10}
    assert read(path).settings["memory"]["index"]["method"] == "ivfflat"


def test_another_index_replaces_the_one_of_the_file(tmp_path: Path) -> None:
    path = copy_of("dev", tmp_path)
    assert answer(*SMALL, "--index", "hnsw", "--write-stack", str(path)) == 0
    index = read(path).settings["memory"]["index"]
    assert index == {"method": "hnsw", "m": 16, "ef_construction": 64, "ef_search": 40}


def test_halfvec_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    path = copy_of("prod", tmp_path)
    half = ("--element-type", "halfvec", "--metadata-bytes", "100")
    assert answer(*MISSION, *half, "--write-stack", str(path)) == 0
    settings_ = read(path).settings
    assert settings_["memory"]["element_type"] == "halfvec"
    assert settings_["postgres"]["sku"] == "Standard_E4s_v3"
    assert settings_["workload"].items() >= {"metadata_bytes": 100, "retention_days": 90}.items()
    assert "content_bytes" not in settings_["workload"]


def test_a_stack_file_is_left_alone_where_no_server_holds_the_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_of("prod", tmp_path)
    before = path.read_bytes()
    huge = ("--sessions", "10000", "--messages-per-session", "50", "--facts", "300000000")
    assert answer(*huge, "--write-stack", str(path)) == 1
    assert path.read_bytes() == before
    assert "no single server holds this load" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--high-availability", "ZoneRedundant"), "postgres.high_availability.standby_zone:"),
        (("--index", "none"), "drop --index none"),
    ],
)
def test_what_is_refused_writes_nothing_and_names_the_file_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: Sequence[str], why: str
) -> None:
    path, output = copy_of("dev", tmp_path), tmp_path / "answer.yaml"
    before = path.read_bytes()
    assert answer(*SMALL, *flags, "--write-stack", str(path), "--output", str(output)) == 1
    said = capsys.readouterr().err
    assert why in said
    assert said.count(str(path)) == 1
    assert path.read_bytes() == before
    assert not output.exists()


def test_the_cluster_that_is_advised_is_one_that_a_stack_accepts() -> None:
    wish = Wish(environment="prod", connections_needed=410, high_availability="ZoneRedundant")
    load = workload_of(settings_of("prod", {}))
    advice = {a.what: a for a in advise(recommend(replace(load, facts=300_000_000), wish))}
    wanted = advice["elastic cluster"].settings
    stack = settings_of("prod", {**wanted, "workload.facts": 300_000_000})
    assert all(one.verdict.fits for one in judgements(stack))


def test_an_environment_that_is_not_the_files_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_of("uat", tmp_path)
    assert answer(*SMALL, "--environment", "prod", "--write-stack", str(path)) == 1
    assert "is the file of uat" in capsys.readouterr().err


def test_a_customers_own_server_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Pulumi.uat.yaml"
    config = config_of("uat")
    config["engram:settings"]["postgres"] = {"kind": "existing", "user_connections": 400}
    path.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    assert answer(*SMALL, "--write-stack", str(path)) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_on_nodes_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    config = config_of("prod")
    config["engram:settings"]["postgres"]["elastic_cluster"] = {
        "nodes": 2,
        "sku": "Standard_E8s_v3",
        "storage": {"size_gib": 256, "tier": "P15"},
    }
    path.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    assert answer(*MISSION, "--write-stack", str(path)) == 1
    assert "its memory table is on nodes" in capsys.readouterr().err
