"""python -m assurance review render"""

from pathlib import Path

import pytest

from assurance.__main__ import main
from tests.assurance.review.states import step, written

KEPT = step("same", "azure-native:keyvault:Key", "key", {}, {}, protect=True)
DELETED = step("delete", "azure-native:keyvault:Vault", "vault", {})


@pytest.mark.parametrize(
    ("labels", "code"),
    [([], 1), (["allow-data-deletion"], 0), (["allow-replacement", "documentation"], 1)],
)
def test_ends_with_1_where_something_stands_in_the_way(
    labels: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path, [DELETED, KEPT])
    words = [word for label in labels for word in ("--allow", label)]
    assert main(["review", "render", str(folder), *words]) == code
    assert capsys.readouterr().out == f"{folder}/comment.md\n"
    assert {"comment.md", "comment.html", "report.html"} <= {f.name for f in folder.iterdir()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "request.json is missing; `make review` writes it"),
        (["there", "--prices", "no-such-file"], "no-such-file: cannot be read as prices"),
    ],
)
def test_what_cannot_be_read_is_said(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(tmp_path / "there", [])
    monkeypatch.chdir(tmp_path)
    assert main(["review", "render", *words]) == 2
    assert said in capsys.readouterr().err
