"""``python -m assurance evidence``, as an operator and an auditor run it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assurance.compliance import cli
from tests.assurance.compliance.test_truths import PREVIEW

ROOT = Path(__file__).parents[3]
AT = "2026-11-23T14:00:00"


def evidence(*words: str | Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "assurance", "evidence", *map(str, words)],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith(("PG", "KUBE"))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def collect(tmp_path: Path) -> Any:
    """Collect from a preview into ``out``; return what the command says."""
    preview = tmp_path / "preview.json"
    preview.write_text(json.dumps(PREVIEW), encoding="utf-8")
    key = tmp_path / "signing-key.pem"

    def run(*more: str | Path) -> tuple[int, str, str]:
        given = ("--preview", preview, "--out", tmp_path / "out", "--signing-key", key)
        return evidence("collect", *given, "--at", AT, *more)

    return run


@pytest.mark.slow
def test_a_folder_is_collected_verified_and_made_anew(collect: Any, tmp_path: Path) -> None:
    code, out, err = collect("--json")
    report = json.loads(out)
    assert (code, err) == (1, "")  # this preview has hardly anything that is wanted
    assert report["stack"] == "dev"
    assert {"check": "postgres-customer-managed-key", "truth": "program"}.items() <= next(
        each for each in report["failing"] if each["check"] == "postgres-customer-managed-key"
    ).items()
    assert {each["action"] for each in report["differences"]} == {"update", "create", "delete"}
    first = (tmp_path / "out" / "manifest.json").read_bytes()

    (tmp_path / "out" / "stale.json").write_text("{}")
    code, out, _ = collect()
    assert "NO A database is encrypted with a key that we can revoke" in out
    assert "differs: azure-native:dbforpostgresql:Configuration tls; `up` would update it" in out
    assert (tmp_path / "out" / "manifest.json").read_bytes() == first

    code, out, _ = evidence("verify", tmp_path / "out")
    assert (code, f"files of stack dev, collected {AT}+00:00, are as they were" in out) == (0, True)
    (tmp_path / "out" / "index.html").write_text("all is well")
    code, _, err = evidence("verify", tmp_path / "out")
    assert (code, err) == (2, "index.html was changed after it was signed\n")


@pytest.mark.slow
def test_a_folder_that_is_none_of_ours_is_left_alone(collect: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    code, _, err = collect()
    assert (code, "holds files that are no evidence" in err) == (2, True)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "words"),
    [("{}", "give a JSON list of objects, as `az` prints it"), ("{", "cannot be read as JSON")],
)
def test_records_that_cannot_be_read_are_refused(
    collect: Any, tmp_path: Path, content: str, words: str
) -> None:
    file = tmp_path / "versions.json"
    file.write_text(content)
    code, _, err = collect("--key-versions", file)
    assert (code, words in err) == (2, True), err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-23T14:00:00", "2026-11-23T14:00:00+00:00"),
        ("2026-11-23T15:00:00+01:00", "2026-11-23T14:00:00+00:00"),
    ],
)
def test_times_are_utc(text: str, at: str) -> None:
    assert cli._time(text).isoformat() == at
