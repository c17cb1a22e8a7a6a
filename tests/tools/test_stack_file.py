"""tools/stack_file.py: a stack file changes where it is asked to, and nowhere else."""

import difflib
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sizing.catalogue import SKUS
from tests.stacks.files import ROOT, STACKS
from tools.stack_file import StackFileError, update

LARGER = {
    "postgres.sku": "Standard_D4s_v3",
    "postgres.storage.size_gib": 256,
    "postgres.storage.tier": "P15",
}


def copied(stack: str, folder: Path) -> Path:
    return Path(shutil.copy(ROOT / f"Pulumi.{stack}.yaml", folder))


def edited(file: Path, old: str, new: str) -> Path:
    """The file with one piece of its text replaced, which must be there once."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return file


def difference(before: str, file: Path) -> list[str]:
    """The lines that went and came, with their sign."""
    lines = difflib.unified_diff(before.splitlines(), file.read_text().splitlines(), n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def settings_in(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    found: dict[str, Any] = loaded["config"]["engram:settings"]
    return found


def test_a_larger_server_changes_its_lines_and_the_figures_about_it(tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    before = file.read_text()
    done = update(file, LARGER)
    assert [str(change) for change in done] == [
        "postgres.sku: Standard_D2s_v3 -> Standard_D4s_v3",
        "postgres.storage.size_gib: 128 -> 256",
        "postgres.storage.tier: P10 -> P15",
    ]
    assert difference(before, file) == [
        "-      sku: Standard_D2s_v3 # 2 vCores, 8 GiB, 844 connections",
        "+      sku: Standard_D4s_v3 # 4 vCores, 16 GiB, 1703 connections",
        "-        size_gib: 128",
        "-        tier: P10",
        "+        size_gib: 256",
        "+        tier: P15",
        "-    # 6 x 30 Zep, 5 operators = 412 of 844.",
        "+    # 6 x 30 Zep, 5 operators = 412 of 1703.",
    ]


def test_a_sum_that_names_the_sku_in_words_is_reckoned_anew(tmp_path: Path) -> None:
    file = copied("dev", tmp_path)
    before = file.read_text()
    update(file, {"postgres.sku": "Standard_B2s", "connections.pooler.default_pool_size": 4})
    text = "\n".join(difference(before, file))
    assert "+    # At most (2 + 1 in a roll-out) x 5 memory service, 2 its jobs, 3 x 5 Zep," in text
    assert "= 37 of 414" in text
    assert "B1ms" not in file.read_text()


def test_a_remark_with_a_number_goes_with_the_value_that_it_was_about(tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    before = file.read_text()
    (change,) = update(file, {"workloads.zep.processors": 1})
    assert change.remarks[0].before.startswith("GOMAXPROCS: 8")
    assert change.remarks[0].after is None
    assert difference(before, file) == [
        "-        processors: 2 # GOMAXPROCS: 8 connections to the PgBouncer of its pod",
        "+        processors: 1",
    ]


def test_a_remark_without_a_number_stays(tmp_path: Path) -> None:
    file = copied("prod", tmp_path)
    update(file, {"tags.cost_centre": "engram-2", "protected": True})
    assert "protected: true # a replacement is a restore" in file.read_text()


@pytest.mark.parametrize(
    "place",
    ["    network: # made for a D2s_v3\n", "    # Standard_D2s_v3 is enough\n    network:\n"],
)
def test_a_comment_elsewhere_that_names_the_former_sku_goes(place: str, tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    edited(file, "    network: # a /16 of 10/8 for each environment, so that they can be peered\n",
           place)  # fmt: skip
    update(file, {"postgres.sku": "Standard_D4s_v3"})
    assert "D2s_v3" not in file.read_text()
    assert "    network:\n      kind: managed" in file.read_text()


def test_a_block_right_above_a_value_goes_with_its_figure(tmp_path: Path) -> None:
    file = edited(
        copied("uat", tmp_path),
        "      facts: 100000\n",
        "      # As of March: 96 thousand\n      # in the pilot.\n      facts: 100000\n",
    )
    update(file, {"workload.facts": 90_000})
    text = file.read_text()
    assert "March" not in text
    assert "pilot" not in text


GIB = "        size_gib: 128\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (GIB, "        size_gib: 128 # never shrinks, see OPS-42\n"),
        (GIB, "        # the customer's clause 7 (RFC 1234):\n        # no disk shrinks\n" + GIB),
        ("      storage:\n", "      # --- section 3 ---\n      storage: # see section 128\n"),
        (" # 2 vCores, 8 GiB, 844 connections", " # agreed with finance, do not touch"),
        ("sku: Standard_D2s_v3 #", "sku:\n        # agreed in May\n        Standard_D2s_v3 #"),
        ("    connections:\n", "    # See RFC 1234; in 2025, 40 of 100.\n    connections:\n"),
    ],
)  # fmt: skip
def test_a_comment_that_states_no_figure_of_the_change_stays(
    old: str, new: str, tmp_path: Path
) -> None:
    file = copied("uat", tmp_path)
    file.write_text(file.read_text().replace(old, new, 1))
    kept = [line.split("#")[1] for line in new.splitlines() if "#" in line]
    update(file, LARGER)
    left = file.read_text()
    assert [words for words in kept if words.strip() and words not in left] == []
    assert settings_in(file)["postgres"]["sku"] == "Standard_D4s_v3"


@pytest.mark.parametrize(
    ("old", "stale"),
    [
        (GIB, "        size_gib: 128 # 128 and not more\n"),
        (GIB, "        # 40 GiB were used in March\n" + GIB),
        ("      storage:\n", "      storage: # 128 GiB, P10\n"),
        ("      storage:\n", "      storage: # a P10\n"),
        ("    postgres:\n", "    postgres: # 8 GiB of memory\n"),
    ],
)
def test_a_comment_that_states_a_former_figure_goes(old: str, stale: str, tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    file.write_text(file.read_text().replace(old, stale, 1))
    update(file, LARGER)
    gone = next(line.split("# ")[1] for line in stale.splitlines() if "#" in line)
    assert gone not in file.read_text()


@pytest.mark.parametrize("place", ["      sku: Standard_D2s_v3", "    postgres:"])
def test_words_around_the_figures_of_a_size_stay(place: str, tmp_path: Path) -> None:
    file = edited(copied("uat", tmp_path), " # 2 vCores, 8 GiB, 844 connections", "")
    said = f"{place} # bought: 2 vCores, 8 GiB, 844 connections; till May\n"
    edited(file, f"{place}\n", said)
    update(file, LARGER)
    assert "# bought: 4 vCores, 16 GiB, 1703 connections; till May" in file.read_text()


def test_a_key_that_the_file_lacks_is_added_behind_its_siblings(tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    before = file.read_text()
    changes = {"postgres.parameters.work_mem": 8192, "workload.content_bytes": 900}
    done = update(file, changes)
    assert all(change.added for change in done)
    assert str(done[0]) == "postgres.parameters.work_mem: absent -> 8192"
    assert difference(before, file) == [
        "+      content_bytes: 900",
        "+        work_mem: 8192",
    ]


def test_an_object_that_the_file_lacks_is_written_as_one(tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    before = file.read_text()
    server = "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg"
    server += "/providers/Microsoft.DBforPostgreSQL/flexibleServers/psql-engram-uat"
    made = {"server_id": server, "point_in_time": "2026-11-23T10:00:00Z", "generation": 2}
    replicas = [{"name": "read-1", "zone": "2"}]
    update(file, {"postgres.restore_from": made, "postgres.read_replicas": replicas})
    assert difference(before, file) == [
        "+      restore_from:",
        f"+        server_id: {server}",
        '+        point_in_time: "2026-11-23T10:00:00Z"',
        "+        generation: 2",
        "+      read_replicas:",
        "+        - name: read-1",
        '+          zone: "2"',
    ]


def test_an_object_takes_the_place_of_another_with_its_remarks(tmp_path: Path) -> None:
    file = copied("dev", tmp_path)
    graph = {"method": "hnsw", "m": 16, "ef_construction": 64, "ef_search": 40}
    update(file, {"memory.index": graph})
    assert list(settings_in(file)["memory"]["index"]) == list(graph)
    assert "Quick to build" not in file.read_text()
    assert "the square root of lists" not in file.read_text()


def test_an_object_of_the_same_keys_changes_only_what_differs(tmp_path: Path) -> None:
    file = copied("dev", tmp_path)
    before = file.read_text()
    lists = {"method": "ivfflat", "lists": 12, "probes": 3}
    assert [change.path for change in update(file, {"memory.index": lists})] == [
        "memory.index.lists"
    ]
    assert len(difference(before, file)) == 2
    assert "Quick to build" in file.read_text()


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("postgres.high_availability.zone", "2", '        zone: "2"'),
        ("tags.owner", "who: me", '      owner: "who: me"'),
        ("tags.owner", "4711", '      owner: "4711"'),
        ("protected", False, "    protected: false # made and destroyed daily"),
        ("memory.autovacuum.vacuum_scale_factor", 0.05, "        vacuum_scale_factor: 0.05"),
        ("network.peered_spaces", ["10.9.0.0/16"], "      peered_spaces: [10.9.0.0/16]"),
    ],
)
def test_a_value_is_written_as_its_neighbours_are(
    path: str, value: object, line: str, tmp_path: Path
) -> None:
    file = copied("dev", tmp_path)
    if path == "protected":
        edited(file, "protected: false #", "protected: true #")
    update(file, {path: value})
    assert any(found.startswith(line) for found in file.read_text().splitlines())


def test_what_is_so_already_leaves_the_file_alone(tmp_path: Path) -> None:
    file = copied("uat", tmp_path)
    before = file.stat()
    same = {"postgres.sku": "Standard_D2s_v3", "postgres.storage": {"size_gib": 128, "tier": "P10",
            "auto_grow": True}}  # fmt: skip
    assert update(file, same) == []
    assert file.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"postgres.skus": "Standard_D4s_v3"}, r"postgres\.skus: no setting has this name; .*sku"),
        ({"nowhere.at.all": 1}, "no setting has this name"),
        ({"": 1}, "no setting has this name"),
        ({"environment": "prod"}, "no setting has this name"),
        ({"azure.location": "eastus"}, "no setting has this name"),
        ({"postgres.parameters.shared_buffers": 1}, "allowed: autovacuum_analyze_threshold"),
        ({"postgres.sku": "Standard_D5s_v3"}, r"postgres\.sku: found 'Standard_D5s_v3'"),
        ({"postgres.storage.size_gib": 100}, r"postgres\.storage\.size_gib: found 100"),
        ({"postgres.sku": "Standard_B2s"}, r"high_availability\.mode: found 'SameZone'"),
        ({"postgres.sku": None}, r"postgres\.sku"),
        ({"postgres.sku": object()}, "allowed: plain data"),
        ({"postgres.storage": {}, "postgres.storage.tier": "P20"}, "a part of postgres.storage"),
        ({"postgres.restore_from.finished": True}, "give it as a whole"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_the_settings_refuse_is_not_written(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    file = copied("uat", tmp_path)
    before = file.read_bytes()
    with pytest.raises(StackFileError, match=words):
        update(file, changes)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_old_mistake_does_not_stop_a_change(tmp_path: Path) -> None:
    file = edited(copied("uat", tmp_path), "log_retention_days: 90", "log_retention_days: 7")
    update(file, {"postgres.sku": "Standard_D4s_v3"})
    assert settings_in(file)["postgres"]["sku"] == "Standard_D4s_v3"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: managed\n      version", "kind: [", "is no YAML"),
        (
            "sku: Standard_D2s_v3",
            "sku: Standard_D2s_v3\n      sku: Standard_D4s_v3",
            "stands twice",
        ),
        ("sku: Standard_D2s_v3", "sku: &size Standard_D2s_v3", "shared by an anchor"),
        ("engram:settings:", "engram:other:", "start from Pulumi.dev.yaml"),
        ("config:\n", "foo: &a [*a]\nconfig:\n", "an object inside of itself"),
    ],
)
def test_a_file_that_cannot_be_edited_says_why(
    old: str, new: str, words: str, tmp_path: Path
) -> None:
    file = edited(copied("uat", tmp_path), old, new)
    before = file.read_bytes()
    with pytest.raises(StackFileError, match=words):
        update(file, {"postgres.sku": "Standard_D4s_v3"})
    assert file.read_bytes() == before


def test_a_file_without_a_stack_in_its_name_needs_it_said(tmp_path: Path) -> None:
    file = copied("uat", tmp_path).rename(tmp_path / "customer.yaml")
    with pytest.raises(StackFileError, match=r"Pulumi\.<stack>\.yaml"):
        update(file, LARGER)
    assert len(update(file, LARGER, stack="uat")) == 3


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackFileError, match=r"Pulumi\.uat\.yaml: .*No such file"):
        update(tmp_path / "Pulumi.uat.yaml", LARGER)


def test_line_ends_mode_and_link_are_kept(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    there = copied("uat", tmp_path / "there")
    there.write_bytes(there.read_bytes().replace(b"\n", b"\r\n"))
    there.chmod(0o640)
    link = tmp_path / "Pulumi.uat.yaml"
    link.symlink_to(there)
    update(link, {**LARGER, "postgres.parameters.work_mem": 8192})
    assert link.is_symlink()
    assert there.stat().st_mode & 0o777 == 0o640
    content = there.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert settings_in(there)["postgres"]["parameters"]["work_mem"] == 8192


def test_a_kill_while_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = copied("uat", tmp_path)
    before = file.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.stack_file.os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        update(file, LARGER)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("stack", STACKS)
def test_every_size_that_fits_can_be_written_and_taken_back(stack: str, tmp_path: Path) -> None:
    file = copied(stack, tmp_path)
    before, old = file.read_text(), settings_in(file)["postgres"]["sku"]
    for name in ("Standard_D8s_v3", "Standard_E16ds_v5", "Standard_D96ads_v5"):
        update(file, {"postgres.sku": name})
        assert settings_in(file)["postgres"]["sku"] == name
        assert f"{SKUS[name].user_connections} connections" in file.read_text()
    update(file, {"postgres.sku": old})
    if stack != "dev":  # whose sum says it in words of its own
        assert file.read_text() == before


@settings(max_examples=25, deadline=None)
@given(
    facts=st.integers(10, 500),
    days=st.integers(30, 365),
    owner=st.text(
        alphabet=st.characters(codec="utf-8", exclude_categories=["C", "Z"]),
        min_size=1,
        max_size=60,
    ),
)
def test_any_value_is_read_back_as_it_was_given(
    facts: int, days: int, owner: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = copied("dev", tmp_path_factory.mktemp("any"))
    lines = file.read_text().splitlines()
    update(file, {"workload.facts": facts, "passwords.valid_days": days, "tags.owner": owner})
    found = settings_in(file)
    assert (found["workload"]["facts"], found["tags"]["owner"]) == (facts, owner)
    after = file.read_text().split("\n")[: len(lines)]
    assert sum(a != b for a, b in zip(lines, after, strict=True)) <= 3
