"""python -m assurance mutate: over a file that Pulumi wrote."""

import json
from pathlib import Path

import pytest

from assurance.__main__ import main

LOCK = {
    "urn": "urn:pulumi:dev::engram::azure-native:authorization:ManagementLockByScope::lock",
    "type": "azure-native:authorization:ManagementLockByScope",
    "custom": True,
    "inputs": {"level": "CanNotDelete", "scope": "/subscriptions/1/server"},
}


def exported(folder: Path, *resources: object) -> str:
    file = folder / "state.json"
    document = {"version": 3, "deployment": {"resources": list(resources)}}
    file.write_text(json.dumps(document), encoding="utf-8")
    return str(file)


def test_tells_mutants_kills_and_survivors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mutate", exported(tmp_path, LOCK), "--json"]) in {0, 1}
    told = json.loads(capsys.readouterr().out)
    assert told["mutants"] == told["noticed"] + told["stricter"] + sum(
        entry["count"] for entry in told["survivors"]
    )
    assert told["rules"]["vault-locked"] == 0


def test_people_read_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["mutate", exported(tmp_path, LOCK)])
    assert "of what could be noticed was." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"), [("nothing", "give a file that Pulumi wrote as JSON"), ("{}", "neither")]
)
def test_another_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "other.json").write_text(text, encoding="utf-8")
    assert main(["mutate", str(tmp_path / "other.json")]) == 2
    assert said in capsys.readouterr().err
