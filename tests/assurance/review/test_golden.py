"""The comments of four pull requests, recorded with the real engine, read as files.

``python -m tests.assurance.review.record`` records them again; after a deliberate change of the
words, ``python -m tests.assurance.review.golden`` writes the files anew, to be read by a person.
"""

import re
import shutil
from pathlib import Path

import pytest

from assurance.review.cli import write
from assurance.review.comment import MARKER, comment, report
from assurance.review.html import html
from tests.assurance.review.golden import CASES, GOLDEN, RECORDED, reviewed

SECRET = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}|-----BEGIN")
"""What looks like a password, a token or a key."""


@pytest.mark.parametrize("case", CASES)
def test_the_comment_is_the_one_that_was_read(case: str) -> None:
    expected = (GOLDEN / f"{case}.md").read_text(encoding="utf-8")
    assert comment(reviewed(case)).markdown == expected


@pytest.mark.parametrize(
    ("case", "ok"), [("sku", True), ("dimension", False), ("tls", False), ("docs", True)]
)
def test_stops_what_would_lose_data_or_break_a_rule(case: str, ok: bool) -> None:
    assert reviewed(case).ok is ok


@pytest.mark.parametrize("case", CASES)
def test_no_page_holds_a_secret_or_what_a_run_made_up(case: str) -> None:
    page = comment(reviewed(case))
    everything = page.markdown + html("t", report(reviewed(case)))
    assert not [found for found in SECRET.findall(everything) if set(found) != {"0"}]
    assert not re.search(r"kv-engram-\w+-(?!\(suffix\))\w{5}\b", everything)


@pytest.mark.parametrize("case", CASES)
def test_the_pages_stand_beside_the_recording(case: str, tmp_path: Path) -> None:
    shutil.copytree(RECORDED / case, tmp_path / case)
    write(tmp_path / case, reviewed(case))
    assert {file.name for file in (tmp_path / case).iterdir() if file.is_file()} == {
        "request.json", "comment.md", "comment.html", "report.html",
    }  # fmt: skip
    assert (tmp_path / case / "comment.md").read_text(encoding="utf-8").startswith(MARKER)
