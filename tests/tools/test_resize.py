"""tools/resize.py: plan, apply and its resumption, with an engine that only takes notes."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stacks.files import ROOT
from tests.tools.test_resize_stages import server_of
from tools.resizing import cli, journal, reach, surroundings
from tools.resizing.errors import ResizeError
from tools.resizing.stages import Target, stages

PASSWORD = "hunter2/with@everything"
SERVER_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/rg-engram-uat"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/psql-engram-uat-abc123"
)
OUTPUTS: dict[str, Any] = {
    "postgres": {
        "id": SERVER_ID,
        "fqdn": "psql-engram-uat-abc123.postgres.database.azure.com",
        "port": 5432,
        "admin_login": "engram_admin",
    },
    "postgres_admin_password": PASSWORD,
    "memory": {"database": "memory"},
    # Nobody answers there, and so the pre-flight ends at once.
    "environment": {"PGHOSTADDR": "127.0.0.1", "PGPORT": "1"},
}
ENGINE = """\
import os, pathlib, signal, sys, time, yaml
here = pathlib.Path(__file__).parent
config = yaml.safe_load((here / "Pulumi.uat.yaml").read_text())["config"]
server = config["engram:settings"]["postgres"]
disk = server["storage"]
with (here / "runs").open("a") as runs:
    runs.write(f"{server['sku']} {disk['size_gib']} {disk['auto_grow']}\\n")
if (here / "fails").exists():
    (here / "fails").unlink()
    sys.exit(3)
if (here / "blocks").exists():
    signal.signal(signal.SIGINT, lambda *_: (here / "told").touch())
    (here / "blocks").unlink()
    while not (here / "told").exists():
        time.sleep(0.05)
    time.sleep(1.5)
    (here / "saved").touch()
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a stack file, an engine and a stack's outputs."""
    text = (ROOT / "Pulumi.uat.yaml").read_text(encoding="utf-8")
    # A backup from before the last renewal is refused, and «now» is whenever this runs.
    long_ago = text.replace(' renewed_on: "2026-11-01"', ' renewed_on: "2020-01-01"')
    (tmp_path / "Pulumi.uat.yaml").write_text(long_ago, encoding="utf-8")
    (tmp_path / "engine.py").write_text(ENGINE, encoding="utf-8")
    (tmp_path / "outputs.json").write_text(json.dumps(OUTPUTS), encoding="utf-8")
    return tmp_path


def apply_line(site: Path, *more: str) -> list[str]:
    engine = shlex.join([sys.executable, str(site / "engine.py")])
    outputs = shlex.join(["cat", str(site / "outputs.json")])
    line = ["apply", "--stack=uat", f"--file={site / 'Pulumi.uat.yaml'}", f"--engine={engine}"]
    line += [f"--outputs={outputs}", f"--journal={site / 'journal' / 'uat.json'}"]
    return [*line, "--wait-seconds=0", *more]


def start(line: list[str]) -> "subprocess.Popen[str]":
    script = ROOT / "tools" / "resize.py"
    return subprocess.Popen(
        [sys.executable, script, *line], stderr=subprocess.PIPE, text=True, process_group=0
    )


def runs(site: Path) -> list[str]:
    return (site / "runs").read_text().splitlines() if (site / "runs").exists() else []


def server_in(site: Path) -> dict[str, Any]:
    text = (site / "Pulumi.uat.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["config"]["engram:settings"]["postgres"]
    return found


def wait_for(fact: Callable[[], bool]) -> None:
    for _ in range(600):
        if fact():
            return
        time.sleep(0.05)
    raise AssertionError("waited for nothing")


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes that pre-flights will end with; the real ones are in test_preflight."""
    codes = [0]
    monkeypatch.setattr(cli, "_checked", lambda _: codes.pop(0) if codes else 0)
    return codes


LARGER = ("--sku=Standard_D4s_v3", "--storage-gib=256")
STEPS = ["Standard_D4s_v3 256 False", "Standard_D4s_v3 256 True"]


def test_apply_runs_the_engine_after_each_change_of_the_file(site: Path, fit: list[int]) -> None:
    assert cli.main(apply_line(site, *LARGER)) == 0
    assert runs(site) == STEPS
    assert not (site / "journal" / "uat.json").exists()
    assert fit == []


def test_a_program_that_reads_stdout_hears_no_engine(site: Path) -> None:
    with (site / "engine.py").open("a") as engine:
        engine.write("print('many words')\n")
    line = [sys.executable, str(ROOT / "tools" / "resize.py"), *apply_line(site, *LARGER, "--json")]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (answer.stdout, answer.stderr.count("many words")) == ("", 2)


@pytest.mark.usefixtures("fit")
def test_a_failed_deployment_is_gone_on_with(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "fails").touch()
    assert cli.main(apply_line(site, *LARGER)) == 2
    assert "ended with 3" in capsys.readouterr().err
    assert runs(site) == STEPS[:1]
    assert cli.main(apply_line(site)) == 0
    assert "going on after 0 of 2 stages" in capsys.readouterr().err
    assert runs(site) == [STEPS[0], *STEPS]


def test_a_server_that_is_not_fit_is_looked_at_again(site: Path, fit: list[int]) -> None:
    fit[:] = [1, 0]
    assert cli.main(apply_line(site, *LARGER)) == 1
    assert (site / "journal" / "uat.json").exists()
    assert cli.main(apply_line(site, *LARGER)) == 0
    assert runs(site) == STEPS


@pytest.mark.usefixtures("fit")
def test_another_resize_waits_for_the_one_that_was_stopped(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "fails").touch()
    cli.main(apply_line(site, *LARGER))
    assert cli.main(apply_line(site, "--sku=Standard_D8s_v3")) == 2
    assert "another resize was stopped after 0 of 2 stages" in capsys.readouterr().err
    assert cli.main(apply_line(site, "--abandon")) == 0
    said = capsys.readouterr().err
    assert "postgres.sku: Standard_D4s_v3, as was wanted" in said
    assert "postgres.storage.auto_grow: False stays, and was to become True" in said
    assert cli.main(apply_line(site, "--sku=Standard_D8s_v3")) == 0
    assert runs(site)[-1] == "Standard_D8s_v3 256 False"


def test_a_kill_in_the_middle_loses_nothing(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "blocks").touch()
    running = start(apply_line(site, *LARGER))
    wait_for(lambda: len(runs(site)) == 1)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=10)
    assert server_in(site)["sku"] == "Standard_D4s_v3"
    monkeypatch.setenv("PGHOST", "the-former-server.example")
    again = start(apply_line(site))
    _, said = again.communicate(timeout=60)
    assert runs(site) == [STEPS[0], *STEPS]
    assert "going on after 0 of 2 stages" in said
    assert again.returncode == 2, "nobody answers the pre-flight"
    assert f"engram_admin@{OUTPUTS['postgres']['fqdn']}/memory" in said
    assert PASSWORD not in said


def test_ctrl_c_waits_until_the_engine_has_saved_its_state(site: Path) -> None:
    (site / "blocks").touch()
    running = start(apply_line(site, *LARGER))
    wait_for(lambda: len(runs(site)) == 1 and not (site / "blocks").exists())
    time.sleep(0.2)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert "`apply` goes on from here" in said
    assert running.returncode == 130
    assert (site / "saved").exists()


def test_two_at_once_are_refused(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with journal.alone(site / "journal" / "uat.json"):
        assert cli.main(apply_line(site, *LARGER)) == 2
    assert "another resize of uat is running" in capsys.readouterr().err
    assert runs(site) == []


def test_what_the_program_would_refuse_is_not_begun(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = site / "Pulumi.uat.yaml"
    text = file.read_text().replace("facts: 100000\n", "facts: 20000000\n")
    file.write_text(text, encoding="utf-8")
    assert cli.main(apply_line(site, "--sku=Standard_D4s_v3")) == 2
    said = capsys.readouterr().err
    assert "the program would still refuse Pulumi.uat.yaml" in said
    assert "postgres." in said
    assert (file.read_text(), runs(site)) == (text, [])


def test_a_stack_that_is_refused_for_its_size_can_be_resized(site: Path, fit: list[int]) -> None:
    file = site / "Pulumi.uat.yaml"
    file.write_text(file.read_text().replace("facts: 100000\n", "facts: 1100000\n"))
    assert cli.main(apply_line(site)) == 0
    assert server_in(site)["sku"] != "Standard_D2s_v3"
    assert fit == []


def test_a_restore_names_the_present_server_and_the_time(site: Path, fit: list[int]) -> None:
    line = apply_line(site, "--geo-redundant", "--point-in-time=2026-11-23T11:00:00+01:00")
    assert cli.main(line) == 0
    assert server_in(site)["restore_from"] == {
        "server_id": SERVER_ID,
        "point_in_time": "2026-11-23T10:00:00Z",
        "generation": 2,
        "finished": True,
        "source_stays": True,
    }
    assert server_in(site)["backup"]["geo_redundant"] is True
    assert fit == []


EARLIER, LATER = "2026-11-20T10:00:00Z", "2026-11-22T10:00:00Z"


@pytest.mark.usefixtures("fit")
@pytest.mark.parametrize("when", [[f"--point-in-time={LATER}"], ["--point-in-time=now"], []])
def test_a_restore_that_goes_on_takes_no_other_time(
    when: list[str], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "fails").touch()
    began = ["--restore", f"--point-in-time={EARLIER}"]
    assert cli.main(apply_line(site, *began)) == 2
    assert cli.main(apply_line(site, "--restore", *when)) == 2
    assert f"restores the backup of {EARLIER}; go on" in capsys.readouterr().err
    assert len(runs(site)) == 1
    assert cli.main(apply_line(site)) == 0
    assert f"the backup of {EARLIER} is restored: what was written" in capsys.readouterr().err
    assert server_in(site)["restore_from"]["point_in_time"] == EARLIER


@pytest.mark.usefixtures("fit")
def test_now_is_frozen_when_a_restore_begins(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "fails").touch()
    assert cli.main(apply_line(site, "--restore")) == 2
    frozen = server_in(site)["restore_from"]["point_in_time"]
    assert cli.main(apply_line(site, "--restore")) == 2, "hours may have been written since"
    assert f"found now, and the resize that was stopped restores the backup of {frozen}" in (
        capsys.readouterr().err
    )
    assert cli.main(apply_line(site, "--restore", f"--point-in-time={frozen}")) == 0


def test_a_time_without_a_restore_is_refused(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(apply_line(site, *LARGER, f"--point-in-time={EARLIER}")) == 2
    assert "add --restore" in capsys.readouterr().err


@pytest.mark.usefixtures("fit")
@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("--engine=echo pulumi up", "--engine: found echo pulumi up, and the resize that was"),
        ("--outputs=cat other.json", "--outputs: found cat other.json"),
        ("--file=other/Pulumi.uat.yaml", "other/Pulumi.uat.yaml, and the resize that was stopped"),
        ("--at-home", "found make up STACK=uat"),
    ],
)
def test_a_resize_goes_on_with_the_file_and_the_commands_that_it_began_with(
    other: str, words: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "fails").touch()
    cli.main(apply_line(site, *LARGER))
    bare = ["apply", "--stack=uat", f"--journal={site / 'journal' / 'uat.json'}"]
    assert cli.main([*bare, other]) == 2
    assert words in capsys.readouterr().err
    assert cli.main(bare) == 0
    assert runs(site) == [STEPS[0], *STEPS]


@pytest.mark.usefixtures("fit")
def test_a_target_of_no_is_a_target(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "fails").touch()
    cli.main(apply_line(site, *LARGER))
    assert cli.main(apply_line(site, "--no-geo-redundant")) == 2
    assert "another resize was stopped" in capsys.readouterr().err


@pytest.mark.usefixtures("fit")
@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"size_gib: 256": "size_gib: 512", "tier: P15": "tier: P20"}, "a disk never shrinks"),
        ({"log_retention_days: 90": "log_retention_days: 7"}, "would still refuse"),
    ],
)
def test_a_file_that_was_edited_meanwhile_is_looked_at_again(
    edits: dict[str, str], words: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "fails").touch()
    cli.main(apply_line(site, *LARGER))
    file = site / "Pulumi.uat.yaml"
    text = file.read_text()
    for old, new in edits.items():
        text = text.replace(old, new)
    file.write_text(text)
    assert cli.main(apply_line(site)) == 2
    assert words in capsys.readouterr().err
    assert (file.read_text(), runs(site)) == (text, STEPS[:1])


@pytest.mark.usefixtures("fit")
def test_a_comment_that_went_is_told(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site / "Pulumi.uat.yaml"
    file.write_text(
        file.read_text().replace("        size_gib: 128\n", "        size_gib: 128 # 128 GiB do\n")
    )
    assert cli.main(apply_line(site, "--storage-gib=256")) == 0
    assert "«128 GiB do»: removed" in capsys.readouterr().err


@pytest.mark.parametrize("home", [[], ["--at-home"]])
def test_a_file_of_elsewhere_needs_an_engine_of_its_own(
    home: list[str], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["apply", "--stack=uat", f"--file={site / 'Pulumi.uat.yaml'}", *LARGER, *home]
    assert cli.main([*line, f"--journal={site / 'uat.json'}"]) == 2
    assert "give the command that deploys this file with --engine" in capsys.readouterr().err


def test_engine_and_outputs_are_run_in_the_projects_folder(
    site: Path, fit: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site)
    with (site / "engine.py").open("a") as engine:
        engine.write("(here / 'folder').write_text(os.getcwd())\n")
    assert cli.main(apply_line(site, *LARGER)) == 0
    assert (site / "folder").read_text() == str(ROOT)
    assert reach.outputs(["sh", "-c", """printf '{"postgres": {"id": "%s"}}' "$PWD" """]) == {
        "postgres": {"id": str(ROOT)}
    }
    assert fit == []


def test_a_python_in_a_folder_with_a_space_is_one_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/home/a b/bin/python")
    options = cli.parser().parse_args(["preflight", "--stack=uat", "--at-home"])
    surroundings.settle(options)
    assert reach.words(options.outputs, "uat")[0] == "/home/a b/bin/python"


def test_only_apply_goes_on_after_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_server", stopped)
    assert cli.main(["plan", "--stack=uat"]) == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.parametrize(
    "found",
    [{}, {"postgres": None}, {"postgres": {"fqdn": "x"}}, {**OUTPUTS, "environment": [1]}],
)
def test_outputs_that_lack_something_are_one_line(found: dict[str, Any]) -> None:
    with pytest.raises(ResizeError, match="the stack's outputs lack"):
        reach.variables(found)


@pytest.mark.parametrize("when", ["yesterday", "2026-11-23T11:00:00", "2026-13-01"])
def test_a_time_without_an_offset_is_refused(
    when: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(apply_line(site, "--restore", f"--point-in-time={when}")) == 2
    assert "a time with its offset" in capsys.readouterr().err


def test_plan_writes_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site / "Pulumi.uat.yaml"
    before = file.read_bytes()
    line = ["plan", "--stack=uat", f"--file={file}", *LARGER]
    assert cli.main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [stage["changes"]["postgres.storage.auto_grow"] for stage in document["stages"]] == [
        False,
        True,
    ]
    assert cli.main([*line, "--restore"]) == 0
    text = capsys.readouterr().out
    assert "Standard_D2s_v3 to Standard_D4s_v3" in text
    assert f"do it: python tools/resize.py apply --stack=uat --file={file}" in text
    assert "the present server" in text
    assert file.read_bytes() == before


def test_a_customers_server_is_left_to_the_customer(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = site / "Pulumi.uat.yaml"
    loaded = yaml.safe_load(file.read_text())
    loaded["config"]["engram:settings"]["postgres"] = {
        "kind": "existing", "port": 5432, "host": "db.customer.example", "ca_file": "ca/a.pem",
        "cidrs": ["10.9.8.0/28"], "admin_login": "engram_admin", "user_connections": 400,
    }  # fmt: skip
    file.write_text(yaml.safe_dump(loaded))
    assert cli.main(["plan", "--stack=uat", f"--file={file}"]) == 2
    assert "postgres.user_connections" in capsys.readouterr().err


def test_a_broken_value_is_named(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site / "Pulumi.uat.yaml"
    file.write_text(file.read_text().replace("facts: 100000\n", "facts: many\n"))
    assert cli.main(["plan", "--stack=uat", f"--file={file}"]) == 2
    assert "workload.facts: found 'many'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"stages": [{"nothing": 1}], "asked": {}, "done": 0}']
)
def test_a_broken_journal_is_said_to_be_one(text: str, tmp_path: Path) -> None:
    file = tmp_path / "uat.json"
    file.write_text(text)
    with pytest.raises(ResizeError, match="found no journal of a resize; remove it"):
        journal.load(file)


def test_a_journal_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "resize" / "uat.json"
    found = stages(server_of("uat"), Target(sku="Standard_D4s_v3", storage_gib=256))
    began = journal.Journal(
        asked={"sku": "Standard_D4s_v3"}, stages=found, file="f", engine="e", outputs="o"
    )
    kept = began.after_one()
    journal.save(file, kept)
    assert journal.load(file) == kept
    assert kept.left == found[1:]


def test_a_way_of_the_outputs_own_wins_over_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.9")
    found = {name: value for name, value in OUTPUTS.items() if name != "environment"}
    assert reach.variables(found)["PGHOSTADDR"] == "10.0.0.9"
    assert reach.variables(OUTPUTS)["PGHOSTADDR"] == "127.0.0.1"
    assert reach.variables(OUTPUTS)["PGPASSWORD"] == PASSWORD


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 3", "ended with 3"),
        ("echo '[]'", "told no outputs"),
        ("echo secret", "told no outputs"),
        ("""echo '{"postgres": null}'""", "told no outputs"),
    ],
)
def test_outputs_that_are_none_say_what_to_do(script: str, words: str) -> None:
    with pytest.raises(ResizeError, match=words) as caught:
        reach.outputs(["sh", "-c", script])
    assert "--outputs" in str(caught.value)


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(ResizeError, match="`no-such-pulumi`: FileNotFoundError"):
        reach.outputs(["no-such-pulumi"])
