"""A pull request that weakens TLS and changes a size, compared for real with its base."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assurance.review.record import committed
from tests.e2e.installation import running

pytestmark = pytest.mark.e2e

PARAMETERS = Path("components", "server_parameters.py")


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A clone whose working tree is the pull request."""
    folder = tmp_path / "head"
    committed(folder)
    tls, size = folder / PARAMETERS, folder / "Pulumi.dev.yaml"
    tls.write_text(tls.read_text().replace('_transport": "on"', '_transport": "off"'))
    size.write_text(size.read_text().replace("sku: Standard_B1ms", "sku: Standard_B2s"))
    return folder


def review(head: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "local", "review", "--json", "--only", "dev", *words]
    return subprocess.run(
        command, cwd=head, capture_output=True, text=True, timeout=900, check=False
    )


@pytest.mark.timeout(1200)
def test_says_what_the_change_does_and_leaves_nothing_behind(head: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = review(head, "--base", "HEAD", "--out", str(out))
    assert answer.returncode == 0, answer.stdout + answer.stderr  # the rules are advice in dev
    assert json.loads(answer.stdout)["ok"]
    text = (out / "comment.md").read_text(encoding="utf-8")
    assert not (out / "dev" / "failure.txt").exists(), text
    assert "`sku.name`: `Standard_B1ms` → `Standard_B2s`" in text
    assert "`value`: `on` → `off`" in text
    assert "`postgres-tls-required" in text.partition("What changes")[0], "before what changes"
    assert "## ⚠ Nothing is lost, but rules are broken in dev" in text
    rest = [line for line, environment in running() if b"engram-review-" in environment]
    assert rest == [], "the cloud of the comparison is gone"


def test_words_only_are_compared_at_once(head: Path, tmp_path: Path) -> None:
    shutil.copy(head / "README.md", head / "docs" / "another.md")
    subprocess.run(["git", "-C", str(head), "checkout", "--quiet", "*.py", "*.yaml"], check=True)
    answer = review(head, "--base", "HEAD", "--out", str(tmp_path / "out"))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 file changed" in (tmp_path / "out" / "comment.md").read_text(encoding="utf-8")


def test_an_unknown_base_is_said(head: Path) -> None:
    answer = review(head, "--base", "nowhere")
    assert (answer.returncode, "BASE is a branch" in answer.stdout) == (1, True)
